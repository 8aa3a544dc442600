"""The library gives what the authors' code gives, value by value and gradient by gradient.

Another file of the same kind: GOLDEN_NPZ=other.npz pytest tests/test_golden.py
"""

import os
from functools import cache
from pathlib import Path

import pytest
from golden.compare import Golden, comparisons

FILE = Path(os.environ.get("GOLDEN_NPZ") or Path(__file__).parent / "golden" / "reference.npz")
GOLDEN = Golden(FILE)
COMPARISONS = comparisons(GOLDEN)


@cache
def outcome(name: str) -> AssertionError | None:
    """What comparing gave; each comparison is made once."""
    try:
        COMPARISONS[name](GOLDEN)
    except AssertionError as difference:
        return difference


@pytest.mark.parametrize("name", COMPARISONS)
def test_golden_value(name):
    difference = outcome(name)
    if difference is not None:
        raise difference


def test_every_group_is_there():
    groups = {name.split("/")[0] for name in COMPARISONS}
    assert groups == set("margin partial_l2 ofd ofd_trajectory cd at kd gkd schedule".split())
    assert {"ofd/teacher_train", "ofd/teacher_eval"} <= COMPARISONS.keys()
    assert {"gkd/none_correct", "gkd/underflow"} <= COMPARISONS.keys()


def test_every_key_is_used():
    for name in COMPARISONS:
        outcome(name)
    assert GOLDEN.keys - GOLDEN.read == set()
