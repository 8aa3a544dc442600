"""fit and evaluate, and what they stand on."""

from distill_lib.training.build import build, load_distiller, load_student
from distill_lib.training.evaluate import evaluate
from distill_lib.training.fit import fit

__all__ = ["build", "evaluate", "fit", "load_distiller", "load_student"]
