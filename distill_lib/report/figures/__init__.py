"""Figures of records: every run beside the published numbers, and those of RESULTS.md.

Each takes groups of runs and returns (figure, axes); matplotlib comes when one is drawn.
"""

from distill_lib.report.figures.curves import (
    COST_FIGURE,
    GAIN_FIGURE,
    cost_curves,
    gain_curves,
    training_multiply_adds,
)
from distill_lib.report.figures.dots import DOT_FIGURE, dot_plot
from distill_lib.report.figures.every_run import report_figure
from distill_lib.report.figures.figure import Figure
from distill_lib.report.figures.label_gains import LABEL_FIGURE, has_sizes, label_gains
from distill_lib.report.figures.similarity import CKA_FIGURE, has_similarity, stage_similarity
