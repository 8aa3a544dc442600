"""The checks of notebooks 12 and 13 accept one right way and say what is off in the others."""

import pytest
import torch
from torchvision.ops import box_iou

from distill_lib import checks
from distill_lib.checks import check_anchors, check_miou
from distill_lib.data.batching import VOID


def ious(logits, labels, *, void=True, absent=None):
    """IoU of each class that is there; `absent` stands in for one that is not."""
    predicted, found = logits.argmax(1), []
    counts = labels != VOID if void else torch.ones_like(labels, dtype=torch.bool)
    for k in range(logits.shape[1]):
        p, t = (predicted == k) & counts, (labels == k) & counts
        if (p | t).any():
            found.append((p & t).sum() / (p | t).sum())
        elif absent is not None:
            found.append(torch.tensor(absent))
    return torch.stack(found)


def match(anchors, truth, *, least=0.5, forced=True, force_first=False):
    overlaps = box_iou(truth, anchors)
    best = overlaps.argmax(1)
    own = overlaps.argmax(0)
    own[overlaps.amax(0) < least] = -1
    if forced:
        free = own[best] < 0 if force_first else torch.ones_like(best, dtype=torch.bool)
        own[best[free]] = torch.arange(len(truth))[free]
    return own


def last_wins(anchors, truth):
    overlaps = box_iou(truth, anchors)
    own = match(anchors, truth)
    for box in range(len(truth)):
        own[overlaps[box] >= 0.5] = box
    return own


def verdict(capsys, check, function) -> str:
    check(function)
    return capsys.readouterr().out.strip()


def test_right_functions(capsys):
    assert verdict(capsys, check_miou, lambda x, y: ious(x, y).mean()) == checks.CORRECT
    assert verdict(capsys, check_anchors, match) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda x, y: ious(x, y, void=False).mean(), "void"),
        (
            lambda x, y: (
                sum(ious(x[i : i + 1], y[i : i + 1]).mean() for i in range(len(x))) / len(x)
            ),
            "two images",
        ),
        (lambda x, y: ious(x, y, absent=0.0).mean(), "neither true nor predicted"),
        (lambda x, y: ious(x, y, absent=1.0).mean(), "neither true nor predicted"),
        (lambda x, y: (x.argmax(1) == y)[y != VOID].float().mean(), "one image"),
        (lambda x, y: 100 * ious(x, y).mean(), "one image"),
        (lambda x, y: ious(x, y), "one image: got shape (3,)"),
    ],
)
def test_a_wrong_miou_is_told_where(capsys, wrong, where):
    said = verdict(capsys, check_miou, wrong)
    assert said.startswith("wrong at ") and where in said


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda a, t: match(a, t, forced=False), "no anchor covers by half"),
        (lambda a, t: match(a, t, force_first=True), "covers another more"),
        (lambda a, t: match(a, t, least=0.7), "cover by half: anchor"),
        (lambda a, t: match(a, t, least=0.3), "got 0, want -1"),
        (lambda a, t: match(a, t, least=0.5 + 1e-6, forced=False), "exactly half"),
        (lambda a, t: match(a, t, least=0.45), "a little less than half"),
        (last_wins, "covers two boxes by half"),
        (lambda a, t: match(t, a), "want a tensor (18,)"),
        (lambda a, t: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_wrong_match_is_told_where(capsys, wrong, where):
    said = verdict(capsys, check_anchors, wrong)
    assert said.startswith("wrong at ") and where in said


def test_open(capsys):
    for check in (check_miou, check_anchors):
        assert verdict(capsys, check, lambda *_: ...) == checks.NOT_ATTEMPTED
