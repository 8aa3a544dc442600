"""SGD over student and connectors: who is trained, at which rate, in which epoch."""

import torch

from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError, unknown_name
from distill_lib.recipes import Optim
from distill_lib.schedules import one_cycle, poly, step_decay

CONNECTORS = "terms."
"""What the names of the connectors' parameters in a Distiller begin with."""


def build_optimizer(distiller: Distiller, optim: Optim) -> torch.optim.SGD:
    """SGD with a group of parameters for each multiple of the learning rate.

    Raises:
        DistillError: `optim.lr_factors` names no parameter.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    used = set()
    for name, parameter in distiller.named_parameters():
        prefix, factor = next(
            (pair for pair in optim.lr_factors if name.startswith(pair[0])), ("", 1.0)
        )
        used.add(prefix)
        groups.setdefault(factor, []).append(parameter)
    for prefix, _ in optim.lr_factors:
        # A network trained alone has no connectors, and shares its recipe with one that has.
        if prefix not in used and prefix != CONNECTORS.rstrip("."):
            raise unknown_name("group of parameters", prefix, _prefixes(distiller))
    if optim.connectors_first and not any(
        name.startswith(CONNECTORS) for name, _ in distiller.named_parameters()
    ):
        raise DistillError(
            f"connectors_first is {optim.connectors_first}, and no term has a connector.\n"
            "  Set --optim.connectors-first 0."
        )
    return torch.optim.SGD(
        [{"params": params, "factor": factor} for factor, params in groups.items()],
        lr=optim.lr,
        momentum=optim.momentum,
        weight_decay=optim.weight_decay,
        nesterov=optim.nesterov,
    )


def _prefixes(distiller: Distiller) -> set[str]:
    names = [name.split(".") for name, _ in distiller.named_parameters()]
    return {".".join(parts[:i]) for parts in names for i in (1, 2)}


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its multiple of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def learning_rate(optim: Optim, epoch: int, step: int, *, epochs: int, steps: int) -> float:
    """The rate of a step, a function of its place in the run alone.

    Args:
        epoch: counted from 1.
        step: counted from 0, over the whole run.
        epochs: how many there are in all.
        steps: steps of one epoch.
    """
    if optim.schedule == "step":
        progress = (epoch - 1) * optim.milestones_of / epochs
        return optim.lr * step_decay(progress, optim.milestones, optim.gamma)
    if optim.schedule == "poly":
        return optim.lr * poly(step / (steps * epochs))
    return optim.lr * one_cycle((step + 1) / (steps * epochs + 1), optim.peak_at)


def hold_student(distiller: Distiller, optim: Optim, epoch: int) -> None:
    """Drop the student's gradients in the epochs that train the connectors alone.

    A parameter without a gradient is left as it is by SGD, weight decay and momentum included.
    """
    if epoch <= optim.connectors_first:
        for parameter in distiller.student.parameters():
            parameter.grad = None
