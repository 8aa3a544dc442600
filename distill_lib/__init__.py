"""distill_lib: feature distillation, explained and reproduced.

recipe -> data and models -> Distiller(teacher, student, terms) -> fit -> run record -> table
"""

from distill_lib.data import load_data
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.losses import (
    attention_loss,
    channel_loss,
    guided_kd_loss,
    kd_loss,
    overhaul_loss,
    partial_l2,
)
from distill_lib.margin_relu import margin_from_batch_norm, margin_relu
from distill_lib.measured_margins import MeasuredMargins, margin_from_data
from distill_lib.models import build_model
from distill_lib.recipes import Recipe, get_recipe, what_differs
from distill_lib.records import RunRecord, finished_run, load_record
from distill_lib.schedules import early_decay
from distill_lib.taps import Tap, find_taps
from distill_lib.terms import CrossEntropy, KnowledgeDistillation, Outputs, Overhaul, Term
from distill_lib.training import evaluate, fit, load_distiller, load_student

__version__ = "0.1.0"

__all__ = [
    "CrossEntropy",
    "DistillError",
    "Distiller",
    "KnowledgeDistillation",
    "MeasuredMargins",
    "Outputs",
    "Overhaul",
    "Recipe",
    "RunRecord",
    "Tap",
    "Term",
    "attention_loss",
    "build_model",
    "channel_loss",
    "early_decay",
    "evaluate",
    "find_taps",
    "finished_run",
    "fit",
    "get_recipe",
    "guided_kd_loss",
    "kd_loss",
    "load_data",
    "load_distiller",
    "load_record",
    "load_student",
    "margin_from_batch_norm",
    "margin_from_data",
    "margin_relu",
    "overhaul_loss",
    "partial_l2",
    "what_differs",
]
