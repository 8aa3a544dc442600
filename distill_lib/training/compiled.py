"""torch.compile, for as many runs as one process trains."""

import torch
from torch import nn

from distill_lib.distiller import Distiller

GRAPHS = 64
"""More than a suite needs: up to four for each of eleven rows."""


def compiled(distiller: Distiller) -> nn.Module:
    """The Distiller through torch.compile.

    torch keeps 8 graphs of one function and runs what comes later uncompiled, with a warning; the
    rows of a suite are all graphs of `Distiller.forward`.
    """
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, GRAPHS)
    return torch.compile(distiller)
