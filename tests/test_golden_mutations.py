"""The golden values notice what they are there for: each fault, put in by hand, makes them fail."""

import sys
from collections.abc import Callable

import pytest
import torch
from test_golden import COMPARISONS, GOLDEN, outcome

import distill_lib
from distill_lib import losses, schedules
from distill_lib.distiller import Distiller
from distill_lib.losses import soft_targets


def replace_everywhere(monkeypatch, original: Callable, mutant: Callable) -> None:
    """Put the mutant wherever a module of ours imported the original by name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] in ("distill_lib", "golden"):
            for name, value in list(vars(module).items()):
                if value is original:
                    monkeypatch.setattr(module, name, mutant)


def margin_with_other_sign(monkeypatch):
    original = distill_lib.margin_from_batch_norm
    replace_everywhere(monkeypatch, original, lambda *args, **kwargs: -original(*args, **kwargs))


def margin_without_the_jump(monkeypatch):
    original = distill_lib.margin_from_batch_norm
    replace_everywhere(
        monkeypatch, original, lambda weight, bias, tail="paper": original(weight, bias, "exact")
    )


def margin_ignored(monkeypatch):
    replace_everywhere(monkeypatch, distill_lib.margin_relu, lambda x, margin: x.relu())


def _partial_l2_with(monkeypatch, skips: Callable) -> None:
    def mutant(student, teacher):
        skipped = skips(student, teacher)
        return torch.where(skipped, 0.0, student - teacher).square().sum()

    replace_everywhere(monkeypatch, losses.partial_l2, mutant)


def no_difference_skipped(monkeypatch):
    _partial_l2_with(monkeypatch, lambda s, t: torch.zeros_like(s, dtype=torch.bool))


def positive_teacher_skipped_too(monkeypatch):
    _partial_l2_with(monkeypatch, lambda s, t: s <= t)


def negative_teacher_always_skipped(monkeypatch):
    _partial_l2_with(monkeypatch, lambda s, t: t <= 0)


def skipped_where_the_student_is_higher(monkeypatch):
    _partial_l2_with(monkeypatch, lambda s, t: (s >= t) & (t <= 0))


def _divisors_changed(monkeypatch, change: Callable) -> None:
    original = losses.default_divisors
    replace_everywhere(monkeypatch, original, lambda taps: change(original(taps)))


def one_divisor_doubled(monkeypatch):
    _divisors_changed(monkeypatch, lambda divisors: (2 * divisors[0], *divisors[1:]))


def divisors_in_other_order(monkeypatch):
    _divisors_changed(monkeypatch, lambda divisors: divisors[::-1])


def divisors_left_out(monkeypatch):
    _divisors_changed(monkeypatch, lambda divisors: (1.0,) * len(divisors))


def _teacher_always(monkeypatch, training: bool) -> None:
    monkeypatch.setattr(Distiller, "_teacher_trains", lambda self: training)


def teacher_in_eval_mode(monkeypatch):
    _teacher_always(monkeypatch, False)


def teacher_in_train_mode(monkeypatch):
    _teacher_always(monkeypatch, True)


def _sgd_with(monkeypatch, **changed) -> None:
    original = torch.optim.SGD
    monkeypatch.setattr(
        torch.optim, "SGD", lambda params, **kwargs: original(params, **(kwargs | changed))
    )


def plain_momentum(monkeypatch):
    _sgd_with(monkeypatch, nesterov=False)


def no_weight_decay(monkeypatch):
    _sgd_with(monkeypatch, weight_decay=0.0)


def connectors_not_trained(monkeypatch):
    monkeypatch.setattr(Distiller, "parameters", lambda self: self.student.parameters())


def no_temperature_squared(monkeypatch):
    original = soft_targets._divergence
    replace_everywhere(monkeypatch, original, lambda s, t, T: original(s, t, T) / T**2)


def divergence_the_other_way_round(monkeypatch):
    def mutant(student, teacher, temperature):
        log_s = (student / temperature).log_softmax(1)
        log_t = (teacher / temperature).log_softmax(1)
        return (log_s.exp() * (log_s - log_t)).sum(1) * temperature**2

    replace_everywhere(monkeypatch, soft_targets._divergence, mutant)


def guided_by_nothing(monkeypatch):
    replace_everywhere(
        monkeypatch, losses.guided_kd_loss, lambda s, t, labels, T: losses.kd_loss(s, t, T)
    )


def no_warm_up(monkeypatch):
    monkeypatch.setattr(schedules, "WARMUP_EPOCHS", {"imagenet": 0, "cifar": 0})


def decay_one_epoch_later(monkeypatch):
    original = schedules.early_decay
    replace_everywhere(
        monkeypatch, original, lambda epoch, **kwargs: original(max(epoch - 1, 1), **kwargs)
    )


OVERHAUL = ("ofd/teacher_train", "ofd/teacher_eval")
SOFTENED = [name for name in COMPARISONS if "kd/T" in name and not name.endswith("T1")]
GUIDED = [name for name in COMPARISONS if name.startswith("gkd/T")]
MUTANTS = [
    (margin_with_other_sign, ("margin", *OVERHAUL)),
    (margin_without_the_jump, ("margin",)),
    (margin_ignored, ("partial_l2", *OVERHAUL)),
    (no_difference_skipped, ("partial_l2", *OVERHAUL)),
    (positive_teacher_skipped_too, ("partial_l2", *OVERHAUL)),
    (negative_teacher_always_skipped, ("partial_l2", *OVERHAUL)),
    (skipped_where_the_student_is_higher, ("partial_l2", *OVERHAUL)),
    (one_divisor_doubled, OVERHAUL),
    (divisors_in_other_order, OVERHAUL),
    (divisors_left_out, OVERHAUL),
    (teacher_in_eval_mode, ("ofd/teacher_train",)),
    (teacher_in_train_mode, ("ofd/teacher_eval",)),
    (plain_momentum, ("ofd_trajectory",)),
    (no_weight_decay, ("ofd_trajectory",)),
    (connectors_not_trained, ("ofd_trajectory",)),
    (no_temperature_squared, SOFTENED),
    (divergence_the_other_way_round, SOFTENED),
    (guided_by_nothing, (*GUIDED, "gkd/none_correct")),
    (no_warm_up, ("schedule/imagenet/lrdv2", "schedule/cifar/lrdv2")),
    (decay_one_epoch_later, ("schedule/imagenet/lrdv1", "schedule/cifar/lrdv2")),
]
"""A fault, and the comparisons that must notice it."""


@pytest.mark.parametrize(("mutate", "names"), MUTANTS)
def test_a_fault_is_noticed(monkeypatch, mutate, names):
    for name in names:
        assert outcome(name) is None  # Without the fault it passes.
    mutate(monkeypatch)
    for name in names:
        with pytest.raises(AssertionError):
            COMPARISONS[name](GOLDEN)
