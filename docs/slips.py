"""The slips of docs/museum.md in a few lines of our own, each beside the library's answer."""

import math
import operator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib import build_model, find_taps, guided_kd_loss, kd_loss, margin_from_batch_norm
from distill_lib.distiller import Distiller
from distill_lib.losses import partial_l2
from distill_lib.schedules import step_decay
from distill_lib.terms import CrossEntropy, KnowledgeDistillation, Outputs, Overhaul

FEW = 33
"""Up to so many points are marked one by one."""


@dataclass(frozen=True)
class Slip:
    """Two curves over one axis: what was written, and what the library computes.

    Args:
        claim: title of the picture.
        over, what: labels of the two axes.
        x, written, here: (n,); `written` is NaN where it gives no number.
        lost: what NaN stands for.
        axes: further settings of the axes.
    """

    claim: str
    over: str
    what: str
    x: Tensor
    written: Tensor
    here: Tensor
    lost: str = "NaN"
    axes: dict = field(default_factory=dict)


def margin_jumps() -> Slip:
    """1: the closed form up to P(x < 0) = 0.001, then a constant."""
    ratio = torch.linspace(0, 6, 601, dtype=torch.float64)
    one = torch.ones_like(ratio)
    return Slip(
        "the margin jumps where negatives are rare",
        "β / |γ|",
        "margin / |γ|",
        ratio,
        margin_from_batch_norm(one, ratio, "paper"),
        margin_from_batch_norm(one, ratio, "exact"),
    )


def scale_of_zero() -> Slip:
    """2: β / γ without a look at γ, for β = -0.5."""
    shift = -0.5
    weight = torch.arange(-10, 11, dtype=torch.float64) / 20

    def divided(scale: float) -> float:
        try:
            z = shift / abs(scale)
        except ZeroDivisionError:
            return math.nan
        density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return shift - abs(scale) * density / ((1 + math.erf(-z / math.sqrt(2))) / 2)

    return Slip(
        "a scale of zero has a margin all the same",
        "scale γ of the channel, at shift β = -0.5",
        "margin",
        weight,
        torch.tensor([divided(value) for value in weight.tolist()]),
        margin_from_batch_norm(weight, torch.full_like(weight, shift), "exact"),
        lost="error",
    )


def mean_of_nothing() -> Slip:
    """3: the sum over the right samples divided by their number, which may be 0."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 8, 10, generator=generator)
    right, written, here = torch.arange(9), [], []
    for count in right:
        wrong = torch.arange(8) >= count
        labels = torch.where(wrong, teacher.argmin(1), teacher.argmax(1))
        divergence = F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="none").sum(1)
        written.append((divergence * ~wrong).sum() / (~wrong).sum())
        here.append(guided_kd_loss(student, teacher, labels, 1.0))
    return Slip(
        "a batch without a right sample has no loss",
        "samples of 8 that the teacher gets right",
        "guided KD",
        right,
        torch.stack(written),
        torch.stack(here),
    )


def probabilities_set_to_one() -> Slip:
    """4: zeros of the teacher's softmax become ones, so that their logarithm is 0."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(1, 10, generator=generator)
    lead, written, here = torch.linspace(0, 150, 301), [], []
    for value in lead:
        teacher = F.one_hot(torch.tensor([3]), 10) * value
        p = teacher.softmax(1)
        p = torch.where(p == 0, 1.0, p)
        written.append((p * (p.log() - student.log_softmax(1))).sum())
        here.append(kd_loss(student, teacher, 1.0))
    return Slip(
        "probabilities of 0 count as 1",
        "teacher's logit above all others",
        "KD loss of one sample",
        lead,
        torch.stack(written),
        torch.stack(here),
        axes={"ylim": (0, None)},
    )


def mask_that_multiplies() -> Slip:
    """5: the square times a mask of zeros, in half precision."""
    low = torch.linspace(0, 400, 33)
    teacher = torch.tensor([-1.0, 2.0]).half()
    written, here = [], []
    for value in low:
        student = torch.stack([-1 - value, torch.tensor(0.0)]).half()
        counts = (student > teacher) | (teacher > 0)
        written.append(((student - teacher) ** 2 * counts).sum())
        here.append(partial_l2(student, teacher))
    return Slip(
        "an element that does not count decides",
        "how far below the teacher that element is",
        "partial L2 of two elements",
        low,
        torch.stack(written).float(),
        torch.stack(here),
        axes={"ylim": (0, 6)},
    )


def batch_norm_twice() -> Slip:
    """6: one forward for the tap and one for the logits."""
    curves = []
    for calls in (2, 1):
        norm = nn.BatchNorm1d(1)
        seen = [0.0]
        for _ in range(24):
            for _ in range(calls):
                norm(torch.tensor([[0.0], [2.0]]))
            seen.append(norm.running_mean.item())
        curves.append(torch.tensor(seen))
    return Slip(
        "statistics move at 0.19 instead of 0.1",
        "steps, each with a batch of mean 1",
        "running mean",
        torch.arange(25),
        *curves,
    )


def teacher_drifts() -> Slip:
    """7: train() over teacher and student, against a Distiller in teacher_mode "train"."""
    torch.manual_seed(0)
    batches = [torch.randn(8, 3, 32, 32) + 0.5 for _ in range(16)]
    labels = torch.zeros(8, dtype=torch.long)
    curves = []
    for guarded in (False, True):
        torch.manual_seed(0)
        teacher, student = build_model("wrn_10_1", 10), build_model("wrn_10_1", 10)
        norm = next(module for module in teacher.modules() if isinstance(module, nn.BatchNorm2d))
        start = norm.running_mean.clone()
        step = Distiller(teacher, student, [KnowledgeDistillation()], "train") if guarded else None
        both = nn.ModuleList([teacher, student]).train()
        moved = [0.0]
        for images in batches:
            with torch.no_grad():
                if guarded:
                    step(images, labels)
                else:
                    kd_loss(both[1](images), both[0](images), 4.0)
            moved.append((norm.running_mean - start).norm().item())
        curves.append(torch.tensor(moved))
    return Slip(
        "a teacher in train mode drifts away",
        "steps of the student's training",
        "shift of the teacher's means",
        torch.arange(len(batches) + 1),
        *curves,
    )


def counts_written_down() -> Slip:
    """8: the channel counts of bottleneck blocks, for a network of basic blocks."""
    taps = find_taps(build_model("resnet34", 10), 64)
    return Slip(
        "ResNet-34 does not have ResNet-50's channels",
        "tap of a ResNet-34",
        "channels",
        torch.arange(1, 5),
        torch.tensor([256.0, 512.0, 1024.0, 2048.0]),
        torch.tensor([float(tap.channels) for tap in taps]),
        axes={"xticks": range(1, 5), "ylim": (0, None)},
    )


def epoch_is() -> Slip:
    """9: the identity of an integer for its value, in a run of 600 epochs."""
    epochs = range(1, 601)
    milestones = [int(share * len(epochs)) for share in (0.2, 0.5, 0.75)]
    rate, written = 0.1, []
    for epoch in epochs:
        if any(operator.is_(epoch, milestone) for milestone in milestones):
            rate *= 0.1
        written.append(rate)
    return Slip(
        "identity of integers holds up to 256",
        "epoch",
        "learning rate, log axis",
        torch.tensor(epochs),
        torch.tensor(written),
        torch.tensor([0.1 * step_decay(epoch, milestones, 0.1) for epoch in epochs]),
        axes={"yscale": "log"},
    )


def divided_twice() -> Slip:
    """10: a mean over the batch, divided by the batch."""
    logits = torch.zeros(64, 19)  # a network that knows nothing of Cityscapes' 19 classes
    labels = torch.arange(64) % 19
    sizes = 2 ** torch.arange(7)
    written = [F.cross_entropy(logits[:n], labels[:n]) / n for n in sizes]
    here = [CrossEntropy()(Outputs(logits[:n], {}), None, labels[:n]) for n in sizes]
    return Slip(
        "cross entropy fades as the batch grows",
        "batch size, log axis",
        "cross entropy in the loss",
        sizes,
        torch.stack(written),
        torch.stack(here),
        axes={"xscale": "log", "xticks": sizes, "xticklabels": sizes.tolist()},
    )


def stale_margins() -> Slip:
    """11: margins of the random initialisation, kept when weights are loaded."""
    torch.manual_seed(0)
    teacher, student = build_model("wrn_10_1", 10), build_model("wrn_10_1", 10)
    term = Overhaul()
    Distiller(teacher, student, [term])
    state = teacher.state_dict()
    last = term.teacher_taps[-1].batch_norm
    built = term.margins[-1].clone()
    channels = len(built)
    state[f"{last}.weight"] = torch.linspace(0.2, 1.6, channels)
    state[f"{last}.bias"] = torch.randn(channels) * 0.3 - 0.3
    teacher.load_state_dict(state)
    loaded, order = term.margins[-1].sort()
    return Slip(
        "margins of weights that are gone",
        "channel, sorted by its margin",
        "margin",
        torch.arange(1, channels + 1),
        built[order],
        loaded,
    )
