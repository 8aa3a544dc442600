"""The main job at its smallest: one student, three ways, from the shipped teacher."""

from pathlib import Path

import torch

from distill_lib import paths
from distill_lib.data import SmallImages, load_data
from distill_lib.distiller import Distiller
from distill_lib.margin_relu import margin_from_batch_norm
from distill_lib.recipes import Budget, get_recipe, recipe_from_dict
from distill_lib.recipes.fashion import STUDENTS, TEACHER
from distill_lib.records import RunRecord
from distill_lib.tables import markdown_table, millions
from distill_lib.taps import module_at
from distill_lib.training import fit, load_distiller
from distill_lib.training.build import build
from distill_lib.training.trained_networks import load_teacher

STAGE = 1
"""The tap that the histograms show: the middle one of three."""


def run_demo(
    *, budget: Budget = "laptop", device: str = "auto", fresh: bool = False
) -> tuple[str, Path]:
    """Train the student alone, with KD and with OFD; runs that are finished are reported.

    Returns:
        the table, and the figure's path.
    Raises:
        DistillError: the shipped teacher is missing or damaged.
    """
    # Refused before minutes of training: the second and third run need it.
    load_teacher(get_recipe(STUDENTS[-1].name, budget), num_classes=10)
    records = [
        fit(get_recipe(recipe.name, budget), device=device, fresh=fresh) for recipe in STUDENTS
    ]
    return demo_table(records), save_demo_figure(records, paths.runs_dir() / "demo.png")


def demo_table(records: list[RunRecord]) -> str:
    """The three students beside their teacher."""
    teacher = next(r.summary["teacher"] for r in records if "teacher" in r.summary)
    rows = [
        [
            f"teacher {get_recipe(TEACHER.name, 'laptop').student}",
            f"{teacher['top1']:.1f}",
            millions(teacher["parameters"]),
            millions(teacher["multiply_adds"]),
            f"{teacher['seconds']:.0f} (shipped)",
        ]
    ]
    names = {"plain": "alone", "kd": "with KD", "ofd": "with OFD"}
    for record in records:
        rows.append(
            [
                f"{record.recipe['student']} {names[record.name.split('-')[0]]}",
                f"{record.last['top1']:.1f}",
                millions(record.summary["parameters"]),
                millions(record.summary["multiply_adds"]),
                f"{record.summary['seconds']:.0f}",
            ]
        )
    header = ("network", "top-1 (%)", "parameters", "multiply-adds", "seconds")
    return markdown_table(header, rows)


def save_demo_figure(records: list[RunRecord], path: Path) -> Path:
    """Four panels: curves, a teacher's channel, the student's before and after, the gap."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    plots.use_style()
    figure, axes = plt.subplots(2, 2, figsize=(10, 7))
    teacher_top1 = next(r.summary["teacher"]["top1"] for r in records if "teacher" in r.summary)
    curves = {plots.method_of(r.name): [e["top1"] for e in r.epochs] for r in records}
    plots.learning_curves(axes[0, 0], curves, teacher=teacher_top1)
    axes[0, 0].set_title("validation curves")
    draw_channel(axes[0, 1], axes[1, 0], records[-1])
    plots.gap_bars(
        axes[1, 1], {plots.method_of(r.name): teacher_top1 - r.last["top1"] for r in records}
    )
    axes[1, 1].set_title("what is left of the gap")
    plots.save_figure(figure, path)
    plt.close(figure)
    return path


def draw_channel(teacher_ax, student_ax, ofd_run: RunRecord) -> None:
    """One channel: the teacher's with its margin, then the student's before and after OFD."""
    from distill_lib import plots

    recipe = recipe_from_dict(ofd_run.recipe)
    data = load_data(recipe.data, augment=recipe.augment)
    before = build(recipe, data=data).distiller
    after = load_distiller(ofd_run)
    term = next(term for term in after.terms if term.name == "ofd")
    norm = module_at(after.teacher, term.teacher_taps[STAGE].batch_norm)
    channel = plots.well_behaved_channel(norm.weight, norm.bias)
    mean, sigma = norm.bias[channel].item(), norm.weight[channel].abs().item()
    margin = margin_from_batch_norm(norm.weight, norm.bias)[channel].item()
    limits = (mean - 4 * sigma, mean + 4 * sigma)
    target, _ = channel_values(after, data, channel)
    plots.channel_histogram(
        teacher_ax, target, normal=(mean, sigma), margin=margin, limits=limits, label="teacher"
    )
    teacher_ax.set_title(f"a teacher's channel ({channel} of stage {STAGE + 1}) and its margin")
    teacher_ax.legend()
    for distiller, colour, label in (
        (before, plots.COLOURS["plain"], "student before"),
        (after, plots.COLOURS["ofd"], "student after OFD"),
    ):
        _, values = channel_values(distiller, data, channel)
        plots.channel_histogram(
            student_ax, values, colour=colour, limits=limits, label=label, filled=False
        )
    plots.channel_histogram(student_ax, target, limits=limits, label="teacher", margin=margin)
    student_ax.set_title("the same channel of the student, after its connector")
    student_ax.legend()


@torch.no_grad()
def channel_values(
    distiller: Distiller, data: SmallImages, channel: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """One channel's pre-ReLU values on test images: teacher's, and student's after its connector.

    The student uses the batch's statistics: before training it has no others.
    """
    term = next(term for term in distiller.terms if term.name == "ofd")
    images = next(data.test_batches(batch_size=256)).images
    was_training = distiller.training
    distiller.train()
    distiller.teacher.eval()
    teacher = distiller.run_teacher(images).taps[term.teacher_taps[STAGE]]
    student = distiller.run_student(images).taps[term.student_taps[STAGE]]
    student = term.connectors[STAGE](student)
    distiller.train(was_training)
    return teacher[:, channel], student[:, channel]
