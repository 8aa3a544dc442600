"""Runs that differ in seed and machine alone, and the paired difference of two such groups."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from distill_lib.recipes import RECIPES
from distill_lib.records import RunRecord

Group = list[RunRecord]

T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t for a two-sided 95 % interval, 1 to 9 degrees of freedom (NIST/SEMATECH e-Handbook
of Statistical Methods, section 1.3.6.7.2)."""
RUN_ONLY = frozenset(("seed", "world_size", "precision"))
"""What may differ between the seeds of a row; the number format as the machines chose it."""
METHOD = frozenset("terms teacher teacher_model teacher_mode teacher_digest".split())
"""What a method brings: the plain student agrees in everything else."""
METHOD_OPTIM = frozenset(("optim.connectors_first", "optim.lr_factors"))
"""Settings of connectors too, which the plain student does not have."""


def group_by_seed(records: Sequence[RunRecord]) -> list[Group]:
    """Finished runs that differ in their seed and machine alone, put together, in recipes' order.

    Each group goes by seed; of two records of one run, such as a published copy, the first counts.
    """
    groups: dict[str, dict[int, RunRecord]] = {}
    for record in records:
        if record.status == "finished":
            same = {k: v for k, v in record.identity.items() if k not in RUN_ONLY}
            same["precision"] = record.recipe["precision"]  # as it was asked for, or "auto"
            seeds = groups.setdefault(f"{record.name} {sorted(same.items())}", {})
            seeds.setdefault(record.recipe["seed"], record)
    place = {name: i for i, name in enumerate(RECIPES)}
    together = [[seeds[seed] for seed in sorted(seeds)] for seeds in groups.values()]
    return sorted(together, key=lambda group: place.get(group[0].name, len(place)))


def is_registered(group: Group, budget: str) -> bool:
    """Whether the runs have their recipe's own fields at the budget: `<recipe>/<budget>/<seed>`."""
    return group[0].path.parts[-3:-1] == (group[0].name, budget)


def registered_runs(records: Sequence[RunRecord], budget: str = "laptop") -> dict[str, Group]:
    """Recipe -> its finished runs with its own fields at the budget; of two groups the larger.

    Runs with a field of the caller's, such as `--epochs 3`, are left out.
    """
    found: dict[str, Group] = {}
    for group in group_by_seed(records):
        name = group[0].name
        if is_registered(group, budget) and len(group) > len(found.get(name, ())):
            found[name] = group
    return found


def plain_of(group: Group, groups: Sequence[Group]) -> Group | None:
    """The student trained alone: no teacher, and all else as in this group; None if not run.

    Of several the one that was asked for in the group's own number format.
    """
    if group[0].recipe["teacher"] is None:
        return None
    wanted, precision = _without_method(group[0]), group[0].recipe["precision"]
    alone = [
        other
        for other in groups
        if other[0].recipe["teacher"] is None and _without_method(other[0]) == wanted
    ]
    return min(alone, key=lambda g: g[0].recipe["precision"] != precision, default=None)


def _without_method(record: RunRecord) -> dict:
    return {
        key: value
        for key, value in record.identity.items()
        if key.split(".")[0] not in METHOD | RUN_ONLY and key not in METHOD_OPTIM
    }


@dataclass(frozen=True)
class Difference:
    """A difference of means over the seeds that two groups share.

    Attributes:
        mean: points of the metric.
        half_width: of its 95 % interval; None where one seed is shared.
        seeds: those that both have.
    """

    mean: float
    half_width: float | None
    seeds: tuple[int, ...]


def paired_difference(group: Group, other: Group, metric: str) -> Difference | None:
    """Last epoch of a group minus the other's, paired by seed; None where no seed is shared.

    The interval is Student's t on the differences: mean ± t · s / √n.
    """
    theirs = {run.recipe["seed"]: run.last[metric] for run in other}
    gains = {
        run.recipe["seed"]: run.last[metric] - theirs[run.recipe["seed"]]
        for run in group
        if run.recipe["seed"] in theirs
    }
    if not gains:
        return None
    values = list(gains.values())
    half_width = None
    if len(values) > 1:
        # Beyond the table its last value: a little too wide, never too narrow.
        t = T_975[min(len(values) - 1, len(T_975)) - 1]
        half_width = t * statistics.stdev(values) / sqrt(len(values))
    return Difference(statistics.mean(values), half_width, tuple(gains))


def difference_to_plain(group: Group, groups: Sequence[Group]) -> Difference | None:
    """Of the task's first metric, after the last epoch; None without such a plain student."""
    plain = plain_of(group, groups)
    return plain and paired_difference(group, plain, group[0].task.metric)


def mean_and_deviation(values: Sequence[float]) -> str:
    """91.42, or 91.42 ± 0.13 where there are several."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ± {statistics.stdev(values):.2f}"
