"""Checks for the exercises: they say what is wrong with the first input that goes wrong.

A check prints one line and raises nothing, so that a notebook with open exercises runs to its
end: "not attempted yet", "correct", or the input with what was got and what was wanted.
"""

from distill_lib.checks.margin import check_margin
from distill_lib.checks.prediction import check_prediction
from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED

__all__ = ["CORRECT", "NOT_ATTEMPTED", "check_margin", "check_prediction"]
