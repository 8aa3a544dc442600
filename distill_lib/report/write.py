"""`report`: every finished run beside the papers' numbers, one table for each task."""

from collections.abc import Sequence
from pathlib import Path

from distill_lib.errors import DistillError
from distill_lib.files import write_atomically
from distill_lib.records import RunRecord
from distill_lib.report.figures import report_figure
from distill_lib.report.groups import group_by_seed
from distill_lib.report.pictures import pairs_to_picture, predictions_figure
from distill_lib.report.rows import folded_table, group_cells, notes_text
from distill_lib.tasks import TASKS


def report_table(records: Sequence[RunRecord]) -> str:
    """A Markdown table for each task, one row for each recipe and budget, seeds put together.

    "last" is the last epoch, the papers' number on CIFAR; "best" was chosen on the test images.

    Raises:
        DistillError: none of the runs is finished.
    """
    groups = group_by_seed(records)
    if not groups:
        raise DistillError(
            "there is no finished run to report.\n  Make one: python -m distill_lib demo"
        )
    by_task = [[g for g in groups if g[0].task == task] for task in TASKS.values()]
    tables = [folded_table([group_cells(g, groups) for g in own]) for own in by_task if own]
    return "\n\n".join(filter(None, [*tables, notes_text([group[0].recipe for group in groups])]))


def write_report(records: Sequence[RunRecord], folder: Path) -> tuple[str, list[Path]]:
    """Write report.md, report.png and pictures of predictions; returns the table and the files.

    Raises:
        DistillError: none of the runs is finished, or the folder cannot be written.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots

    table = report_table(records)
    figures = {"report": report_figure(records)[0]}
    for plain, distilled in pairs_to_picture(records):
        try:
            figures[f"predictions-{distilled.name}"] = predictions_figure(plain, distilled)[0]
        except DistillError as error:
            table += f"\n\nNo picture of {distilled.name}: {str(error).splitlines()[0]}"
    files = [folder / "report.md", *(folder / f"{name}.png" for name in figures)]
    write_atomically(files[0], lambda handle: handle.write(f"{table}\n".encode()))
    for figure, file in zip(figures.values(), files[1:], strict=True):
        plots.save_figure(figure, file)
        plt.close(figure)
    return table, files
