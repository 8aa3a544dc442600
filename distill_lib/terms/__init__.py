"""Terms: the addends of the loss, each with its weight, schedule, taps and connectors."""

from distill_lib.terms.on_features import check_pairs, connector
from distill_lib.terms.on_logits import CrossEntropy, KnowledgeDistillation
from distill_lib.terms.overhaul import Overhaul
from distill_lib.terms.term import Outputs, Term

__all__ = [
    "CrossEntropy",
    "KnowledgeDistillation",
    "Outputs",
    "Overhaul",
    "Term",
    "check_pairs",
    "connector",
]
