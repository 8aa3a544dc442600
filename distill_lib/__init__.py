"""distill_lib: feature distillation, explained and reproduced.

recipe -> data and models -> Distiller(teacher, student, terms) -> fit -> run record -> table
"""

from distill_lib.data import load_data
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.loss_list import read_loss_list, specs_from_loss_list, terms_from_loss_list
from distill_lib.losses import (
    attention_loss,
    channel_loss,
    dkd_loss,
    guided_kd_loss,
    hint_loss,
    kd_loss,
    overhaul_loss,
    partial_l2,
    rkd_loss,
)
from distill_lib.margin_relu import margin_from_batch_norm, margin_relu
from distill_lib.measured_margins import MeasuredMargins, margin_from_data
from distill_lib.models import build_model
from distill_lib.recipes import Recipe, get_recipe, what_differs
from distill_lib.records import RunRecord, finished_run, load_record
from distill_lib.schedules import Decay, early_decay
from distill_lib.taps import Tap, find_taps
from distill_lib.terms import (
    AttentionTransfer,
    Channel,
    CrossEntropy,
    DecoupledKnowledgeDistillation,
    GuidedKnowledgeDistillation,
    Hint,
    KnowledgeDistillation,
    Outputs,
    Overhaul,
    Relational,
    Term,
)
from distill_lib.training import evaluate, fit, load_distiller, load_student

__version__ = "0.1.0"

__all__ = [
    "AttentionTransfer",
    "Channel",
    "CrossEntropy",
    "Decay",
    "DecoupledKnowledgeDistillation",
    "DistillError",
    "Distiller",
    "GuidedKnowledgeDistillation",
    "Hint",
    "KnowledgeDistillation",
    "MeasuredMargins",
    "Outputs",
    "Overhaul",
    "Recipe",
    "Relational",
    "RunRecord",
    "Tap",
    "Term",
    "attention_loss",
    "build_model",
    "channel_loss",
    "dkd_loss",
    "early_decay",
    "evaluate",
    "find_taps",
    "finished_run",
    "fit",
    "get_recipe",
    "guided_kd_loss",
    "hint_loss",
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
    "read_loss_list",
    "rkd_loss",
    "specs_from_loss_list",
    "terms_from_loss_list",
    "what_differs",
]
