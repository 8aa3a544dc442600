"""The check of notebook 10 accepts paired intervals and refuses what looks like them."""

from math import sqrt
from statistics import mean, stdev

import pytest

from distill_lib import checks
from distill_lib.checks import check_claim
from distill_lib.report.groups import T_975


def judged(differences, half) -> str:
    if mean(differences) - half > 0:
        return "better"
    return "worse" if mean(differences) + half < 0 else "open"


def half_width(differences, t) -> float:
    return t * stdev(differences) / sqrt(len(differences))


def judge(method, plain):
    differences = [method[seed] - plain[seed] for seed in method if seed in plain]
    if len(differences) < 2:
        return "open"
    return judged(differences, half_width(differences, T_975[len(differences) - 2]))


def by_means(method, plain):
    return judged([mean(method.values()) - mean(plain.values())], 0)


def normal(method, plain):
    differences = [method[seed] - plain[seed] for seed in method if seed in plain]
    return judged(differences, half_width(differences, 1.96)) if len(differences) > 1 else "open"


def in_the_order_given(method, plain):
    differences = [a - b for a, b in zip(method.values(), plain.values(), strict=False)]
    if len(differences) < 2:
        return "open"
    return judged(differences, half_width(differences, T_975[len(differences) - 2]))


def without_the_root(method, plain):
    differences = [method[seed] - plain[seed] for seed in method if seed in plain]
    if len(differences) < 2:
        return "open"
    return judged(differences, T_975[len(differences) - 2] * stdev(differences))


def by_signs(method, plain):
    signs = {method[seed] > plain[seed] for seed in method if seed in plain}
    shared = len(method.keys() & plain.keys())
    return "open" if shared < 3 or len(signs) > 1 else "better" if signs == {True} else "worse"


def unpaired(method, plain):
    if min(len(method), len(plain)) < 2:
        return "open"
    spread = sqrt(sum(stdev(runs.values()) ** 2 / len(runs) for runs in (method, plain)))
    return judged([mean(method.values()) - mean(plain.values())], T_975[3] * spread)


def verdict(capsys, function) -> str:
    check_claim(function)
    return capsys.readouterr().out.strip()


def test_the_right_function(capsys):
    assert verdict(capsys, judge) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (by_means, "wrong at one seed, ahead by four points: got better, want open"),
        (normal, "wrong at two seeds that agree: got better, want open"),
        (
            without_the_root,
            "wrong at three seeds, whose scatter is small beside the gain: got open",
        ),
        (by_signs, "wrong at three seeds, all ahead and far apart: got better, want open"),
        (in_the_order_given, "wrong at seeds in another order: got open, want better"),
        (unpaired, "wrong at lucky and unlucky seeds, each ahead of its own: got open"),
        (lambda m, p: True, "wrong at three seeds, all ahead by two points: got True, want one of"),
        (lambda m, p: m[0] - p[9], "wrong at three seeds, all ahead by two points: your function"),
    ],
)
def test_a_wrong_function_is_told_where(capsys, wrong, said):
    assert verdict(capsys, wrong).startswith(said)


def test_an_open_exercise(capsys):
    assert verdict(capsys, lambda m, p: ...) == checks.NOT_ATTEMPTED
