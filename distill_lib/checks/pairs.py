"""Exercise of notebook 15."""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.models import MobileNetV2

from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED, verdict_on
from distill_lib.distiller import Distiller
from distill_lib.models import build_model
from distill_lib.models.wide_resnet import WideResNet
from distill_lib.taps import Tap, find_taps
from distill_lib.terms import Overhaul

IMAGE_SIZE = 32
CLASSES = 10
WANTED = "want student, teacher_taps, student_taps, odd_tap"


def check_own_pair(pair: Callable[[], tuple[nn.Module, list[Tap], list[Tap], Tap]]) -> None:
    """A student of the reader's choice, its taps really paired with those of a WRN-16-2.

    Args:
        pair: the reader's function; gives a student of 10 classes for 32x32 images, the teacher's
            taps and the student's, two pairs at least, and one odd tap: one that find_taps chooses
            in the student though no tap of the teacher has its stride.
    """
    print(verdict_on(pair, _verdict))


def _verdict(given: object) -> str:
    if given is ...:
        return NOT_ATTEMPTED
    if not isinstance(given, tuple | list) or len(given) != 4:
        return f"wrong: {WANTED}; got {type(given).__name__}"
    student, teacher_taps, student_taps, odd = given
    if not isinstance(student, nn.Module) or not isinstance(odd, Tap):
        kinds = ", ".join(type(part).__name__ for part in given)
        return f"wrong: {WANTED} (a module, two lists of taps, a tap); got {kinds}"
    if isinstance(student, WideResNet | MobileNetV2):
        kind = type(student).__name__
        return f"wrong: the student is a {kind}, as in the course: bring one of another family"
    if len(student_taps) < 2:
        return f"wrong: {len(student_taps)} pair; want two at least"
    if any(len(set(taps)) < len(taps) for taps in (teacher_taps, student_taps)):
        return "wrong: a tap is named twice; want pairs of different taps"
    teacher = build_model("wrn_16_2", CLASSES)
    term = Overhaul(teacher_taps=teacher_taps, student_taps=student_taps)
    distiller = Distiller(teacher, student, [term], image_size=IMAGE_SIZE)
    unused = _untrained_connector(distiller)
    if unused is not None:
        return f"wrong: the pair at {unused} gives the student no gradient"
    found = find_taps(student, IMAGE_SIZE)
    if odd not in found:
        return f"wrong: odd tap {odd} is none of find_taps: {', '.join(map(str, found))}"
    stride = found[found.index(odd)].stride
    if stride in {tap.stride for tap in find_taps(teacher, IMAGE_SIZE)}:
        return f"wrong: {odd} has stride {stride}, and so has a tap of the teacher: not odd"
    return CORRECT


def _untrained_connector(distiller: Distiller) -> Tap | None:
    """The first of the student's taps through which no gradient reaches the student."""
    images = torch.randn(4, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(0))
    term = distiller.terms[0]
    shares = term.shares(distiller.run_student(images), distiller.run_teacher(images))
    weights = [weight for weight in distiller.student.parameters() if weight.requires_grad]
    for tap, share in zip(term.student_taps, shares, strict=True):
        gradients = torch.autograd.grad(share, weights, retain_graph=True, allow_unused=True)
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            return tap
    return None
