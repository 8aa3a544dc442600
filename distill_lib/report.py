"""Records beside the papers' numbers: a table and a figure."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from distill_lib.errors import DistillError
from distill_lib.files import write_atomically
from distill_lib.recipes import RECIPES
from distill_lib.records import RunRecord
from distill_lib.tables import markdown_table, millions

HEADER = (
    "recipe",
    "budget",
    "seeds",
    "epochs",
    "top-1 last (%)",
    "top-1 best (%)",
    "top-5 last (%)",
    "teacher (%)",
    "parameters",
    "multiply-adds",
    "seconds",
    "published top-1/top-5 (%)",
)


def group_by_seed(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """Finished runs that differ in their seed alone, put together, in the recipes' order."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.status == "finished":
            same = {k: v for k, v in record.identity.items() if k not in ("seed", "world_size")}
            groups.setdefault(f"{record.name} {sorted(same.items())}", []).append(record)
    place = {name: i for i, name in enumerate(RECIPES)}
    return sorted(groups.values(), key=lambda group: place.get(group[0].name, len(place)))


def report_table(records: Sequence[RunRecord]) -> str:
    """A Markdown table, one row for each recipe and budget, seeds put together.

    "last" is the last epoch, the papers' number on CIFAR; "best" was chosen on the test images.

    Raises:
        DistillError: none of the runs is finished.
    """
    groups = group_by_seed(records)
    if not groups:
        raise DistillError(
            "there is no finished run to report.\n  Make one: python -m distill_lib demo"
        )
    table = markdown_table(HEADER, [_row(group) for group in groups])
    return f"{table}\n\n{_differences(groups)}"


def _row(group: list[RunRecord]) -> list[object]:
    first = group[0]
    summary = first.summary
    return [
        first.name,
        first.recipe["budget"],
        len(group),
        first.recipe["epochs"],
        mean_and_deviation([run.last["top1"] for run in group]),
        mean_and_deviation([run.best["top1"] for run in group]),
        mean_and_deviation([run.last["top5"] for run in group]),
        f"{summary['teacher']['top1']:.2f}" if "teacher" in summary else None,
        millions(summary["parameters"]),
        millions(summary["multiply_adds"]),
        f"{statistics.mean(run.summary['seconds'] for run in group):,.0f}",
        published_text(first) or None,
    ]


def mean_and_deviation(values: Sequence[float]) -> str:
    """91.42, or 91.42 ± 0.13 where there are several."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ± {statistics.stdev(values):.2f}"


def published_text(record: RunRecord) -> str:
    """The numbers that the recipe wants beside ours: those of its own row, first ones first."""
    rows = record.recipe["published"]
    own = [row for row in rows if row["what"] == rows[0]["what"]]
    return ", ".join(
        f"{row['top1']:.2f}" + (f"/{row['top5']:.2f}" if row["top5"] is not None else "")
        for row in own
    )


def _differences(groups: list[list[RunRecord]]) -> str:
    lines = dict.fromkeys(
        f"- {group[0].name}, {group[0].recipe['budget']}: {group[0].recipe['note']}"
        for group in groups
        if group[0].recipe["note"]
    )
    return "What differs from the paper:\n" + "\n".join(lines) if lines else ""


def report_figure(records: Sequence[RunRecord]):
    """A dot for each run, the published numbers hollow beside them; (figure, axes)."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    plots.use_style()
    groups = group_by_seed(records)
    figure, ax = plt.subplots(figsize=(7, 1 + 0.45 * len(groups)))
    for y, group in enumerate(groups):
        first = group[0]
        method = plots.method_of(first.name)
        look = {
            "color": plots.COLOURS.get(method, "black"),
            "marker": plots.MARKERS.get(method, "o"),
            "linestyle": "none",
        }
        ax.plot([run.last["top1"] for run in group], [y] * len(group), **look)
        published = first.recipe["published"]
        own = [row["top1"] for row in published if row["what"] == published[0]["what"]]
        ax.plot(own, [y] * len(own), **(look | {"fillstyle": "none"}))
    ax.set_yticks(
        range(len(groups)), [f"{group[0].name}\n{group[0].recipe['budget']}" for group in groups]
    )
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel("top-1 after the last epoch (%): filled ours, hollow published")
    return figure, ax


def write_report(records: Sequence[RunRecord], folder: Path) -> tuple[str, list[Path]]:
    """Write report.md and report.png; returns the table and the files.

    Raises:
        DistillError: none of the runs is finished, or the folder cannot be written.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots

    table = report_table(records)
    figure, _ = report_figure(records)
    text, picture = folder / "report.md", folder / "report.png"
    write_atomically(text, lambda handle: handle.write(f"{table}\n".encode()))
    plots.save_figure(figure, picture)
    plt.close(figure)
    return table, [text, picture]
