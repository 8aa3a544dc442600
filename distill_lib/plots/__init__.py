"""The figures that demo, report and notebooks share, one file for each subject.

A plot function takes data and axes, draws, and neither trains, shows nor saves.
"""

from distill_lib.plots.channels import channel_histogram, normal_density, well_behaved_channel
from distill_lib.plots.curves import gap_bars, learning_curves
from distill_lib.plots.margins import agreement, margin_tails, negative_part, relu_variants
from distill_lib.plots.style import (
    COLOURS,
    DASHES,
    LABELS,
    MARKERS,
    method_of,
    save_figure,
    shared_legend,
    use_style,
)

__all__ = [
    "COLOURS",
    "DASHES",
    "LABELS",
    "MARKERS",
    "agreement",
    "channel_histogram",
    "gap_bars",
    "learning_curves",
    "margin_tails",
    "method_of",
    "negative_part",
    "normal_density",
    "relu_variants",
    "save_figure",
    "shared_legend",
    "use_style",
    "well_behaved_channel",
]
