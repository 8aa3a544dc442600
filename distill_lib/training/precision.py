"""Which number format a device trains in, and why."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from distill_lib.errors import DistillError

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """A choice and its reason: `name` is float32, bf16 or fp16."""

    name: str
    device_type: str
    reason: str

    def autocast(self) -> AbstractContextManager:
        """The context for a forward."""
        return torch.autocast(self.device_type, DTYPES[self.name], enabled=self.name != "float32")

    @property
    def needs_scaler(self) -> bool:
        """Only fp16 has gradients small enough to vanish."""
        return self.name == "fp16"


def choose_device(device: str = "auto") -> torch.device:
    """CUDA where there is one, otherwise the CPU; MPS only when asked for.

    Raises:
        DistillError: the device asked for is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise DistillError(
            f"unknown device {device!r}; expected cpu, cuda, cuda:1 or mps."
        ) from error
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(chosen.type, False):
        raise DistillError(
            f"device {device!r} is not available here; there is: "
            f"{', '.join(name for name, there in here.items() if there)}."
        )
    return chosen


def choose_precision(device: torch.device, wanted: str = "auto") -> Precision:
    """The format to train in on this device.

    Args:
        device: where the training runs.
        wanted: "auto", "float32", "bf16" or "fp16".
    Raises:
        DistillError: the format is unknown, or does not train on this device.
    """
    if wanted not in ("auto", *DTYPES):
        raise DistillError(f"precision is {wanted!r}; expected one of auto, {', '.join(DTYPES)}.")
    if device.type != "cuda" and wanted == "fp16" or device.type == "mps" and wanted == "bf16":
        raise DistillError(
            f"precision {wanted} does not train on {device.type}; expected float32"
            f"{' or bf16' if device.type == 'cpu' else ''}."
        )
    if wanted != "auto":
        return Precision(wanted, device.type, "asked for")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("bf16", "cuda", "this GPU computes bf16")
        return Precision("fp16", "cuda", "this GPU has no bf16; fp16 with a gradient scaler")
    if device.type == "cpu" and cpu_has_bf16():
        return Precision("bf16", "cpu", "this CPU has bf16 instructions")
    return Precision("float32", device.type, f"no bf16 instructions on this {device.type}")


def cpu_has_bf16() -> bool:
    """avx512_bf16 or AMX on x86; elsewhere emulation would be slower than float32."""
    flags = torch.backends.cpu.get_cpu_capability()
    has_avx512_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return flags.startswith(("AVX512", "AMX")) and (has_avx512_bf16 or has_amx)
