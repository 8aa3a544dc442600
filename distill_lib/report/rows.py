"""A row of a table: what was to be run, and what the records of it say."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from distill_lib.recipes import RECIPES, as_dict, differing, identity_fields
from distill_lib.records import RunRecord
from distill_lib.report.groups import Difference, Group, difference_to_plain, mean_and_deviation
from distill_lib.tables import markdown_table, millions
from distill_lib.tasks import TASKS

FOLDED = ("pair", "data", "budget", "epochs", "device")
"""Columns that are said once, above the table, where all rows agree."""
LAST = ("teacher (%)", "published (%)", "parameters", "multiply-adds", "seconds", "device")
"""Columns that stand behind the metrics, whichever these are."""
OF_OTHERS = ("alone", "student alone", "teacher")
"""Published numbers that are not of the distilled student whose recipe carries them."""


def recipe_cells(recipe: dict) -> dict[str, object]:
    """What a recipe says, without any run; it is plain data, as a record has it."""
    data, teacher = recipe["data"], recipe["teacher"]
    if recipe["train_limit"]:
        data = f"{data}, {recipe['train_limit']:,} images"
    if teacher in RECIPES:
        teacher = RECIPES[teacher][recipe["budget"]].student
    return {
        "recipe": recipe["name"],
        "pair": f"{teacher} → {recipe['student']}" if teacher else f"{recipe['student']} alone",
        "data": data,
        "budget": recipe["budget"],
        "epochs": recipe["epochs"],
        "published (%)": published_text(recipe) or None,
    }


def group_cells(
    group: Group, groups: Sequence[Group], links_from: Path | None = None
) -> dict[str, object]:
    """The cells of one row, column -> cell.

    Args:
        group: runs that differ in their seed alone.
        groups: where its plain student is looked for.
        links_from: the folder of the page, if seeds are to link to their records.
    """
    first = group[0]
    summary = first.summary
    seconds: dict[str, list[float]] = {}
    for run in group:
        seconds.setdefault(_ran_on(run.environment), []).append(run.summary["seconds"])
    metric, *others = first.task.metrics.items()
    # A teacher that was named by its run's folder is called by its network too.
    taught_by = {"teacher": summary["teacher"]["recipe"]} if "teacher" in summary else {}
    cells = recipe_cells(first.recipe | taught_by)
    cells["seeds"] = f"{len(group)}: {', '.join(_seed(run, links_from) for run in group)}"
    for key, label in (metric, *others):
        cells[f"{label} last (%)"] = mean_and_deviation([run.last[key] for run in group])
        if key == metric[0]:
            cells[f"{label} best (%)"] = mean_and_deviation([run.best[key] for run in group])
            difference = difference_to_plain(group, groups)
            cells["to plain, last"] = difference and difference_text(difference, len(group))
    return cells | {
        "teacher (%)": f"{summary['teacher'][metric[0]]:.2f}" if "teacher" in summary else None,
        "parameters": millions(summary["parameters"]),
        "multiply-adds": millions(summary["multiply_adds"]),
        "seconds": " and ".join(f"{statistics.mean(each):,.0f}" for each in seconds.values()),
        "device": " and ".join(seconds),
    }


def _ran_on(environment: dict) -> str:
    """What a run's time depends on; records of before `compiled` was written ran without."""
    words = [environment["device"], environment["precision"]["name"]]
    return ", ".join(words + ["compiled"] * environment.get("compiled", False))


def _seed(run: RunRecord, links_from: Path | None) -> str:
    seed = str(run.recipe["seed"])
    if links_from is None:
        return seed
    return f"[{seed}]({Path(os.path.relpath(run.path, links_from)).as_posix()}/run.json)"


def difference_text(difference: Difference, runs: int) -> str:
    """+3.10 [+1.62, +4.58]; says so where one seed, or not every run of the row, is behind it."""
    mean, half = difference.mean, difference.half_width
    if half is None:
        text = f"{mean:+.2f}, one seed"
    else:
        text = f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"
    if runs == len(difference.seeds):
        return text
    return f"{text}, of seed{'s' * (half is not None)} {', '.join(map(str, difference.seeds))}"


def _overridden(recipe: dict) -> str:
    """Where a run is not as its recipe is registered: epochs 10 for 25, optim.lr 0.025 for 0.1."""
    registered = identity_fields(as_dict(RECIPES[recipe["name"]][recipe["budget"]]))
    return ", ".join(
        f"{key} {ran} for {stated}"
        for key, stated, ran in differing(registered, identity_fields(recipe))
        if key != "seed"
    )


def published_rows(recipe: dict) -> list[dict]:
    """The numbers that a recipe wants beside ours: those of its own row."""
    rows = recipe["published"]
    if recipe["teacher"]:
        rows = [row for row in rows if row["what"] not in OF_OTHERS]
    return [row for row in rows if row["what"] == rows[0]["what"]]


def published_text(recipe: dict) -> str:
    """`published_rows` as text, the first metric of each first: 95.23/99.79, 94.21."""
    metrics = [metric for task in TASKS.values() for metric in task.metrics]
    return ", ".join(
        "/".join(f"{row[key]:.2f}" for key in metrics if row.get(key) is not None)
        for row in published_rows(recipe)
    )


def folded_table(rows: Sequence[dict[str, object]], without: Sequence[str] = ()) -> str:
    """A Markdown table of rows whose columns may differ.

    Columns without any value are left out; of `FOLDED` those that agree in every row that has a
    value stand in a line above.
    """
    found = dict.fromkeys(key for row in rows for key in row if key not in without)
    columns = [*(key for key in found if key not in LAST), *(key for key in LAST if key in found)]
    values = {key: {row.get(key) for row in rows} - {None} for key in columns}
    common = [key for key in FOLDED if len(values.get(key, ())) == 1 and len(rows) > 1]
    shown = [key for key in columns if values[key] and key not in common]
    table = markdown_table(shown, [[row.get(key) for key in shown] for row in rows])
    if not common:
        return table
    said = "; ".join(f"{key} {next(iter(values[key]))}" for key in common)
    return f"In all rows: {said}.\n\n{table}"


def notes_text(recipes: Sequence[dict]) -> str:
    """What differs from the paper, a line for each difference; empty without any."""
    with_budget = len({recipe["budget"] for recipe in recipes}) > 1
    names: dict[str, list[str]] = {}
    for recipe in recipes:
        name, budget, note = recipe["name"], recipe["budget"], recipe["note"]
        if name in RECIPES:  # as it is worded now
            note = "; but ".join(filter(None, [RECIPES[name][budget].note, _overridden(recipe)]))
        name = f"{name} at {budget}" if with_budget else name
        if name not in names.setdefault(note, []):
            names[note].append(name)
    if len(names) == 1:
        note = next(iter(names))
        return f"What differs from the paper: {note}." if note else ""
    most = max(names, key=lambda note: len(names[note]))
    lines = [
        f"- {'the other rows' if note == most else ', '.join(names[note])}: {note or 'nothing'}"
        for note in sorted(names, key=lambda note: note == most)
    ]
    return "\n".join(["What differs from the paper:", "", *lines])
