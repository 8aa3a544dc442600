"""`report --all`: RESULTS.md, one page of all evidence, from the records in results/ alone."""

from collections.abc import Sequence
from pathlib import Path

from distill_lib import paths
from distill_lib.files import write_atomically
from distill_lib.recipes import SUITES, as_dict
from distill_lib.records import RunRecord, find_records
from distill_lib.report.figures import Figure
from distill_lib.report.groups import Group, group_by_seed, is_registered
from distill_lib.report.rows import folded_table, group_cells, notes_text, recipe_cells
from distill_lib.report.tables import TABLES, Table

FIGURES = Path("results", "figures")
LEFT_OUT = ("parameters", "multiply-adds")
HEAD = """\
# Results

`python -m distill_lib report --all` writes this page and its figures from the records of real runs
in [results/](results) and from nothing else; a test makes it anew and compares.
{count}

- **seeds**: how many runs, and which; each links to its record: recipe, environment, commit, and
  every epoch in the `metrics.jsonl` beside it.
- **last** is the last epoch, which the papers report on CIFAR. **best** is the best epoch, chosen
  on the test images and so a little optimistic. Both are mean ± standard deviation over the seeds.
- **to plain, last**: the last epoch's mean difference to the student trained alone with the same
  data, settings and epochs, in points, paired by seed, with its 95 % interval in brackets
  (Student's t). An interval that holds zero shows no difference; one seed has no interval, and may
  be luck. A dash: no such plain student was run.
- **teacher** is its own last epoch. **published** are the papers' numbers for the row, at their
  epochs and on their data; a dash: there is none.
- **seconds** is a run's mean training time, for each device and number format that is named;
  *compiled*: with `--compile`."""


def results_page(
    records: Sequence[RunRecord], folder: Path, tables: Sequence[Table] = TABLES
) -> str:
    """The text of RESULTS.md.

    Args:
        records: what was run.
        folder: where the page is to be, from which its links lead to the records.
        tables: what it shows; finished runs that none of them wants stand at the end.
    """
    groups = group_by_seed(records)
    rest = list(groups)
    sections, planned, missing = [], 0, 0
    for table in tables:
        shown = _groups_of(table, groups)
        rest = [group for group in rest if group not in shown]
        not_run = _not_run(table, shown)
        planned += sum(len(seeds) for _, seeds in table.planned())
        missing += sum(map(len, not_run.values()))
        sections.append(_section(table, shown, groups, not_run, folder))
    if rest:
        cells = [group_cells(group, groups, folder) for group in rest]
        notes = notes_text([group[0].recipe for group in rest])
        parts = ["## Other runs", "Finished runs of none of the tables above."]
        sections.append("\n\n".join([*parts, folded_table(cells, LEFT_OUT), notes]).strip())
    count = f"Of {planned} planned runs {planned - missing} are here, the others listed as not run."
    return "\n\n".join([HEAD.format(count=count), *sections]) + "\n"


def _groups_of(table: Table, groups: Sequence[Group]) -> list[Group]:
    """Runs of the table's recipes as they are registered: `<recipe>/<budget>/<seed>`."""
    return [
        group
        for name in table.recipes
        for group in groups
        if group[0].name == name and is_registered(group, table.budget)
    ]


def _not_run(table: Table, shown: Sequence[Group]) -> dict[str, tuple[int, ...]]:
    """Recipe -> the seeds that it has no run with."""
    done = {(run.name, run.recipe["seed"]) for group in shown for run in group}
    missing = {
        recipe.name: tuple(seed for seed in seeds if (recipe.name, seed) not in done)
        for recipe, seeds in table.planned()
    }
    return {name: seeds for name, seeds in missing.items() if seeds}


def _section(
    table: Table,
    shown: Sequence[Group],
    groups: Sequence[Group],
    not_run: dict[str, tuple[int, ...]],
    folder: Path,
) -> str:
    rows, of_rows = [], []
    for recipe, _ in table.planned():
        start = {"recipe": recipe.name, "change": table.change(recipe)}
        own = [group for group in shown if group[0].name == recipe.name]
        rows += [start | group_cells(group, groups, folder) for group in own]
        of_rows += [group[0].recipe for group in own] or [as_dict(recipe)]
        if not own:
            rows.append(start | recipe_cells(as_dict(recipe)) | {"seeds": "not run"})
    parts = [f"## {table.title}", table.sentence, folded_table(rows, LEFT_OUT), notes_text(of_rows)]
    for figure in table.figures:
        if figure.drawable(shown):
            parts.append(f"![{figure.alt}]({_file(table, figure).as_posix()})\n\n{figure.caption}")
    if not_run:
        parts.append(_commands(table, not_run))
    return "\n\n".join(filter(None, parts))


def _commands(table: Table, not_run: dict[str, tuple[int, ...]]) -> str:
    """What runs the rest; a suite's name where all of it is missing."""
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for name, seeds in not_run.items():
        by_seeds.setdefault(seeds, []).append(name)
    lines = []
    for seeds, names in by_seeds.items():
        suite = SUITES.get(table.name, ())
        if suite and set(suite) <= set(names):
            names = [*(name for name in names if name not in suite), table.name]
        line = f"python -m distill_lib train {' '.join(names)} --budget {table.budget}"
        lines.append(line + (f" --seeds {' '.join(map(str, seeds))}" if seeds != (0,) else ""))
    return "\n".join(["Not run yet:", "", "```bash", *lines, "```"])


def _file(table: Table, figure: Figure) -> Path:
    return FIGURES / f"{table.name}-{figure.file}.png"


def write_results(folder: Path = paths.ROOT) -> list[Path]:
    """Write RESULTS.md and its figures from the records in the folder's results/; what it wrote.

    Raises:
        DistillError: a record is damaged, or the folder cannot be written.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots

    plots.use_style()
    records = find_records(folder / "results")
    groups = group_by_seed(records)
    page = results_page(records, folder)
    files = [folder / "RESULTS.md"]
    write_atomically(files[0], lambda handle: handle.write(page.encode()))
    for table in TABLES:
        shown = _groups_of(table, groups)
        for figure in (f for f in table.figures if f.drawable(shown)):
            files.append(folder / _file(table, figure))
            drawing, _ = figure.draw(shown)
            plots.save_figure(drawing, files[-1])
            plt.close(drawing)
    return files
