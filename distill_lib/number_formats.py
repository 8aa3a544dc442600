"""The widest number format that a device has."""

from torch import Tensor


def as_float64(x: Tensor) -> Tensor:
    """x in float64; in float32 on MPS, which has nothing wider."""
    return x.float() if x.device.type == "mps" else x.double()
