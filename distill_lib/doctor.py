"""What this machine has, and whether the library computes right on it."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from distill_lib import paths
from distill_lib.data import data_status
from distill_lib.distiller import Distiller
from distill_lib.losses import kd_loss, partial_l2
from distill_lib.margin_relu import margin_from_batch_norm, margin_relu
from distill_lib.models import build_model
from distill_lib.terms import CrossEntropy, Overhaul
from distill_lib.training.precision import choose_device, choose_precision

PACKAGES = ("torch", "torchvision", "torchmetrics", "tyro", "jupyterlab", "nbval", "timm")


def examine(device: str = "auto") -> tuple[list[str], bool]:
    """Lines to print, and whether everything is well."""
    chosen = choose_device(device)
    precision = choose_precision(chosen)
    lines = [f"python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines += [f"  {name} {_version(name)}" for name in PACKAGES]
    lines.append(f"device {chosen}, {torch.get_num_threads()} threads")
    lines.append(f"precision {precision.name}: {precision.reason}")
    for status in data_status():
        lines.append(f"data {status.name}: {'found' if status.found else 'not here'}")
    lines.append(f"one training step, batch 64: {_step_seconds(chosen):.2f} s")
    results = self_check(paths.ROOT / "tests" / "golden" / "reference.npz")
    if results is None:
        lines.append("self-check skipped: the golden values are not in this installation")
        return lines, True
    for name, error in results.items():
        lines.append(f"self-check on the CPU, {name}: relative error {error:.1e}")
    well = all(error < 1e-5 for error in results.values())  # of NaN it is not
    lines.append("all is well" if well else "NOT WELL: the values differ from the authors' code")
    return lines, well


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _step_seconds(device: torch.device) -> float:
    """Seconds of one OFD step from WRN-16-2 to WRN-10-1, the second of two."""
    teacher, student = build_model("wrn_16_2", 10), build_model("wrn_10_1", 10)
    distiller = Distiller(teacher, student, [CrossEntropy(), Overhaul()]).to(device)
    images = torch.randn(64, 3, 32, 32, device=device)
    labels = torch.zeros(64, dtype=torch.int64, device=device)
    for _ in range(2):
        start = time.perf_counter()
        with choose_precision(device).autocast():
            result = distiller(images, labels)
        result.loss.backward()
        result.loss.item()
    return time.perf_counter() - start


def self_check(file: Path) -> dict[str, float] | None:
    """Relative errors against values of the authors' code, None without the file."""
    if not file.is_file():
        return None
    import numpy as np

    with np.load(file) as stored:
        golden = {key: torch.from_numpy(stored[key]) for key in stored.files}
    checks: dict[str, Callable[[], tuple[torch.Tensor, torch.Tensor]]] = {
        "margin": lambda: (
            margin_from_batch_norm(golden["margin/bn_weight"], golden["margin/bn_bias"]),
            golden["margin/expected"],
        ),
        "partial L2": lambda: (
            partial_l2(
                golden["partial_l2/student"],
                margin_relu(golden["partial_l2/teacher"], golden["partial_l2/margin"]),
            ),
            golden["partial_l2/expected_sum"],
        ),
        "KD": lambda: (
            kd_loss(golden["kd/T4/student"], golden["kd/T4/teacher"], 4.0),
            golden["kd/T4/expected"],
        ),
        "OFD, teacher in train mode": lambda: _ofd(golden, "train"),
        "OFD, teacher in eval mode": lambda: _ofd(golden, "eval"),
    }
    errors = {}
    for name, check in checks.items():
        ours, theirs = check()
        errors[name] = float((ours - theirs).abs().max() / theirs.abs().max())
    return errors


def _ofd(golden: dict[str, torch.Tensor], mode: str) -> tuple[torch.Tensor, torch.Tensor]:
    def weights(prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}

    teacher, student = build_model("wrn_10_2", 10), build_model("wrn_10_1", 10)
    teacher.load_state_dict(weights("ofd/teacher/"))
    student.load_state_dict(weights("ofd/student/"))
    term = Overhaul(weight=1e-3)
    distiller = Distiller(teacher, student, [CrossEntropy(), term], mode)
    term.connectors.load_state_dict(weights("ofd/connectors/"))
    with torch.no_grad():
        loss = distiller(golden["ofd/x"], golden["ofd/y"]).loss
    return loss, golden[f"ofd/teacher_{mode}/total"]
