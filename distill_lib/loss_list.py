"""The `loss_list` of Channel Distillation's configuration, read as it stands.

    specs = specs_from_loss_list(read_loss_list("losses.py"))

A list of dictionaries with the keys loss_name, loss_rate, factor, loss_type, loss_rate_decay, and T
for the KD losses. Every key is honoured or refused by name, and nothing in a file is executed.
Explained in notebooks/09_guided_and_early_decay.ipynb.
"""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from distill_lib.errors import DistillError, unknown_name
from distill_lib.recipes.specs import CD, CE, GKD, KD, Spec
from distill_lib.schedules import PAPER_EPOCHS, VERSIONS, Decay
from distill_lib.terms import Term

LOSSES: dict[str, tuple[type[Spec], str]] = {
    "CELoss": (CE, "ce_family"),
    "KDLoss": (KD, "kd_family"),
    "KDLossv2": (GKD, "kdv2_family"),
    "CDLoss": (CD, "fd_family"),
}
"""loss_name -> spec, and the loss_type that belongs to it."""
KEYS = ("loss_name", "loss_rate", "factor", "loss_type", "loss_rate_decay")
"""What every entry has; the KD losses have T too."""


def specs_from_loss_list(
    loss_list: list[dict], *, data: Literal["imagenet", "cifar"] = "imagenet"
) -> tuple[Spec, ...]:
    """The terms of a recipe that a `loss_list` describes.

    Args:
        loss_list: the dictionaries, unchanged.
        data: whose schedule lrdv1 and lrdv2 mean; on CIFAR lrdv1 never decays, whatever the factor.
    Returns:
        one spec for each entry, in their order.
    Raises:
        DistillError: an entry has an unknown, missing, doubled or ill-typed value.
    """
    if not isinstance(loss_list, list | tuple):
        raise DistillError(
            f"loss_list is a {type(loss_list).__name__}; expected a list of dictionaries."
        )
    return _specs(((f"loss_list[{i}]", entry) for i, entry in enumerate(loss_list)), data)


def terms_from_loss_list(
    loss_list: list[dict],
    *,
    data: Literal["imagenet", "cifar"] = "imagenet",
    epochs: int | None = None,
) -> list[Term]:
    """The same as terms, for a run of so many epochs (the paper's 100 or 200 if not given).

    Raises:
        DistillError: as `specs_from_loss_list`.
    """
    specs = specs_from_loss_list(loss_list, data=data)
    epochs = PAPER_EPOCHS[data] if epochs is None else epochs
    if epochs < 1:
        raise DistillError(f"epochs is {epochs}; expected 1 or more.")
    return [spec.build(epochs) for spec in specs]


def read_loss_list(path: Path | str) -> list[dict]:
    """The `loss_list` in a file: a bare list, or one assignment `loss_list = [...]`.

    Raises:
        DistillError: the file cannot be read or holds anything else; file and line are named.
    """
    path = Path(path)
    try:
        statements = ast.parse(path.read_bytes(), filename=str(path)).body
    except OSError as error:
        raise DistillError(f"{path} cannot be read: {error.strerror}.") from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, reason = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        raise DistillError(f"{path}, line {line}: not a Python list: {reason}.") from error
    for statement in statements:
        if statement is not statements[0] or not _is_loss_list(statement):
            raise DistillError(
                f"{path}, line {statement.lineno}: expected one list of dictionaries, or "
                "loss_list = [...], and nothing else; the file is read, not executed."
            )
    if not statements or not statements[0].value.elts:
        line = statements[0].lineno if statements else 1
        raise DistillError(f"{path}, line {line}: empty; expected loss_list = [{{...}}, ...].")
    placed = [
        (f"{path}, line {node.lineno}", _literal(node, path)) for node in statements[0].value.elts
    ]
    _specs(placed, "imagenet")  # a mistake is named with its line, which the list no longer knows
    return [entry for _, entry in placed]


def _is_loss_list(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        targets = [ast.unparse(target) for target in statement.targets]
        return targets == ["loss_list"] and isinstance(statement.value, ast.List)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.List)


def _literal(node: ast.expr, path: Path) -> object:
    if isinstance(node, ast.Dict):
        keys = [ast.unparse(key) for key in node.keys if key is not None]
        doubled = next((key for key in keys if keys.count(key) > 1), None)
        if doubled is not None:
            raise DistillError(f"{path}, line {node.lineno}: key {doubled} stands there twice.")
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError) as error:
        raise DistillError(
            f"{path}, line {node.lineno}: expected a dictionary of plain names and numbers, got "
            f"{_text_of(node)[:80]}."
        ) from error


def _text_of(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:
        return "one that is nested too deeply to show"


def _specs(placed: Iterable[tuple[str, object]], data: str) -> tuple[Spec, ...]:
    """Entries, each with where it stands, as specs."""
    specs: dict[str, Spec] = {}
    for where, entry in placed:
        try:
            name, spec = _spec(entry, data)
            if name in specs:
                raise DistillError(f"{name} stands there twice; expected each loss once.")
        except DistillError as error:
            raise DistillError(f"{where}: {error}") from error
        specs[name] = spec
    if not specs:
        raise DistillError("loss_list is empty: nothing would be trained.")
    return tuple(specs.values())


def _spec(entry: object, data: str) -> tuple[str, Spec]:
    if not isinstance(entry, dict):
        raise DistillError(f"{entry!r:.80} is a {type(entry).__name__}; expected a dictionary.")
    missing = [key for key in KEYS if key not in entry]
    if missing:
        raise DistillError(f"{', '.join(missing)} missing; expected {', '.join(KEYS)}.")
    name = entry["loss_name"]
    if name not in list(LOSSES):  # whatever it is: a list has no hash
        raise unknown_name("loss_name", str(name), LOSSES)
    spec, family = LOSSES[name]
    softens = issubclass(spec, KD | GKD)
    known = (*KEYS, "T") if softens else KEYS
    for key in entry:
        if key not in known:
            raise DistillError(f"{name} knows no key {key!r}; expected {', '.join(known)}.")
    if softens and "T" not in entry:
        raise DistillError(f"T missing; {name} needs a temperature.")
    if entry["loss_type"] != family:
        raise DistillError(f"loss_type is {entry['loss_type']!r}; expected {family!r} for {name}.")
    if entry["loss_rate_decay"] not in VERSIONS:
        raise DistillError(
            f"loss_rate_decay is {entry['loss_rate_decay']!r}; expected {' or '.join(VERSIONS)}."
        )
    for key in known:
        if key in ("loss_rate", "factor", "T"):
            _check_number(key, entry[key], positive=key == "T")
    return name, spec(
        weight=float(entry["loss_rate"]),
        decay=Decay(data, entry["loss_rate_decay"], float(entry["factor"])),
        **({"temperature": float(entry["T"])} if softens else {}),
    )


def _check_number(key: str, value: object, *, positive: bool) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= sys.float_info.max or positive and value == 0:
        wanted = "a number above 0" if positive else "a number, 0 or more"
        raise DistillError(f"{key} is {value!r}; expected {wanted}.")
