"""Checks for the exercises: they say what is wrong with the first input that goes wrong.

A check prints one line and raises nothing, so that a notebook with open exercises runs to its
end: "not attempted yet", "correct", or the input with what was got and what was wanted.
"""

from distill_lib.checks.ablation import check_seeds_needed
from distill_lib.checks.at_scale import check_pair_recipe
from distill_lib.checks.channel import check_twin
from distill_lib.checks.claims import check_claim
from distill_lib.checks.dense import check_anchors, check_miou
from distill_lib.checks.guided import check_guided
from distill_lib.checks.margin import check_margin
from distill_lib.checks.networks import check_parameters
from distill_lib.checks.overhaul import check_overhaul
from distill_lib.checks.pairs import check_own_pair
from distill_lib.checks.partial_l2 import check_gradient
from distill_lib.checks.prediction import check_prediction
from distill_lib.checks.similarity import check_disguise
from distill_lib.checks.soft_targets import check_kd
from distill_lib.checks.taps import check_lowest
from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED
