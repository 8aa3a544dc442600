"""Every loss of the two papers and their baselines, as a pure function of tensors.

Half-precision inputs are accumulated in float32. Features that would only broadcast are refused.
"""

from distill_lib.losses.attention import attention_loss
from distill_lib.losses.channel import channel_loss
from distill_lib.losses.hint import hint_loss
from distill_lib.losses.multibox import Predictions, multibox_loss
from distill_lib.losses.overhaul import default_divisors, overhaul_loss, partial_l2
from distill_lib.losses.pixels import pixel_cross_entropy
from distill_lib.losses.relational import rkd_angle_loss, rkd_distance_loss, rkd_loss
from distill_lib.losses.soft_targets import dkd_loss, guided_kd_loss, kd_loss
