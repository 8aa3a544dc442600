"""Terms: the addends of the loss, each with its weight, schedule, taps and connectors."""

from distill_lib.terms.baselines import AttentionTransfer, Hint, Relational
from distill_lib.terms.channel import Channel
from distill_lib.terms.dense import MultiBox, PixelCrossEntropy
from distill_lib.terms.on_features import FeatureTerm, check_pairs, connector, match_taps
from distill_lib.terms.on_logits import (
    CrossEntropy,
    DecoupledKnowledgeDistillation,
    GuidedKnowledgeDistillation,
    KnowledgeDistillation,
)
from distill_lib.terms.overhaul import Overhaul
from distill_lib.terms.term import Outputs, Term
