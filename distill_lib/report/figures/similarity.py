"""How alike the students' features are to the teacher's, stage by stage."""

import statistics
from collections.abc import Sequence
from itertools import chain

from distill_lib.report.figures.figure import Figure
from distill_lib.report.groups import Group
from distill_lib.similarity import read_cka


def stage_similarity(groups: Sequence[Group]):
    """CKA of each stage of the students with the same stage of the teacher, a row for each method.

    A dot for each run; rows go by their mean, the most alike on top.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots

    rows = sorted(
        _similarity(groups).items(),
        key=lambda row: statistics.mean(chain.from_iterable(row[1])),
        reverse=True,
    )
    stages = len(rows[0][1][0])
    least = min(min(run) for _, runs in rows for run in runs)
    size = (2.5 + 1.6 * stages, 1.2 + 0.28 * len(rows))
    figure, axes = plt.subplots(1, stages, figsize=size, sharex=True, sharey=True)
    for stage, ax in enumerate(axes):
        for y, (name, runs) in enumerate(rows):
            look = plots.look(plots.method_of(name)) | {"linestyle": "none"}
            ax.plot([run[stage] for run in runs], [y] * len(runs), markersize=8, **look)
        ax.set(title=f"stage {stage + 1}", xlim=(least - 0.05, 1.02), xlabel="CKA")
        plots.name_rows(ax, [plots.label_of(name) for name, _ in rows])
    return figure, axes


def has_similarity(groups: Sequence[Group]) -> bool:
    """Whether the CKA of several methods was kept with their records."""
    return len(_similarity(groups)) > 1


def _similarity(groups: Sequence[Group]) -> dict[str, list[list[float]]]:
    """Recipe -> for each run that was measured, the CKA of each stage with the teacher's same."""
    found: dict[str, list[list[float]]] = {}
    for group in groups:
        for cka in filter(None, (read_cka(run.path) for run in group)):
            if any(len(row) != len(cka["cka"]) for row in cka["cka"]):
                continue  # stages without a partner
            stages = [row[i] for i, row in enumerate(cka["cka"])]
            if None not in stages:
                found.setdefault(group[0].name, []).append(stages)
    return found


CKA_FIGURE = Figure(
    "cka",
    "A row for each method, a panel for each stage: how alike its students' features are to the "
    "teacher's.",
    "Linear CKA after the ReLU at the end of each stage, on the first 1,000 test images: 1 is the "
    "same up to rotation and scale, 0 is nothing in common. A dot is a run. "
    "`python -m distill_lib cka RUN` measures it.",
    stage_similarity,
    has_similarity,
)
