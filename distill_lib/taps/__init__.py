"""Where features are read: a tap names a module and the side of it that is read.

OFD reads before the ReLU ("pre", section 3.1), CD and AT after it ("post"). Hooks do the reading,
so any nn.Module works, and a tapped batch norm runs once per step (the authors' code runs it
twice, which moves its statistics at momentum 0.19 for 0.1).
Explained in notebooks/04_where_to_tap.ipynb.
"""

from distill_lib.taps.find import find_taps
from distill_lib.taps.inspect import BATCH_NORMS, inspect_taps
from distill_lib.taps.reader import TapReader, module_at, reading, unwrap
from distill_lib.taps.tap import Tap
