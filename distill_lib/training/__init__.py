"""fit and evaluate, and what they stand on."""

from distill_lib.training.build import build, load_distiller
from distill_lib.training.evaluate import evaluate
from distill_lib.training.fit import fit
from distill_lib.training.trained_networks import load_student
