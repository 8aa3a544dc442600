"""Starting up is quick because heavy packages are imported where they are used."""

import subprocess
import sys

HEAVY = ("matplotlib", "seaborn", "torchmetrics", "torchvision", "timm", "tyro", "PIL", "sklearn")


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, torch; before = set(sys.modules); import distill_lib; "
        f"print([name for name in {HEAVY} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
