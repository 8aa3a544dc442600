"""The figures that demo, report and notebooks share, one file for each subject.

A plot function takes data and axes, draws, and neither trains, shows nor saves.
"""

from distill_lib.plots.ablation import curves_of_seeds, design_dots, published_beside_ours
from distill_lib.plots.at_scale import (
    Cut,
    cuts_of_one_image,
    published_and_ours,
    recipe_changes,
)
from distill_lib.plots.attention import (
    channel_map,
    class_means,
    labelled_bars,
    mean_distributions,
    paired_means,
    sorted_means,
)
from distill_lib.plots.channels import channel_histogram, normal_density, well_behaved_channel
from distill_lib.plots.curves import gap_bars, learning_curves
from distill_lib.plots.early_decay import (
    agreement_of_pulls,
    confident_teachers,
    epochs_shaded,
    judged_image,
    weights_over_epochs,
)
from distill_lib.plots.margins import agreement, margin_tails, negative_part, relu_variants
from distill_lib.plots.networks import NetworkPoint, cost_accuracy, cost_shares, network_strip
from distill_lib.plots.overhaul import (
    AUTHORS_SWEEP,
    growth_with_resolution,
    lines_over_steps,
    overhaul_road,
    overlap,
    student_beside_teacher,
    weight_sweep,
)
from distill_lib.plots.partial_l2 import REGIONS, loss_plane, pair_density, region_bars
from distill_lib.plots.scenes import (
    addends,
    anchors_at,
    class_legend,
    picture,
    precision_recall,
    prediction_grid,
    rates_by_group,
    show_boxes,
    show_mask,
    show_picture,
    tap_maps,
)
from distill_lib.plots.similarity import cka_map, class_clouds
from distill_lib.plots.soft_targets import (
    class_bars,
    gradient_sizes,
    ranking_places,
    similarity_matrix,
    softening,
)
from distill_lib.plots.style import (
    COLOURS,
    DASHES,
    LABELS,
    MARKERS,
    label_of,
    look,
    method_of,
    name_rows,
    save_figure,
    shared_legend,
    use_style,
)
from distill_lib.plots.tap_map import Call, tap_map
from distill_lib.plots.taps import (
    ReluSite,
    around_relu,
    feature_distributions,
    relu_strip,
    shares_by_stage,
)
