"""Doctor says that all is well where it is, and nowhere else."""

import math

import pytest

from distill_lib import doctor


@pytest.mark.parametrize(
    ("errors", "well"),
    [
        ({"KD": 1e-7, "CD": 1e-6}, True),
        ({"KD": 1e-7, "CD": 1e-3}, False),
        ({"KD": 1e-7, "CD": math.nan}, False),
    ],
)
def test_every_error_of_the_self_check_counts(monkeypatch, errors, well):
    monkeypatch.setattr(doctor, "self_check", lambda reference: errors)
    lines, found = doctor.examine("cpu")
    assert found is well and lines[-1].startswith("all is well" if well else "NOT WELL")
