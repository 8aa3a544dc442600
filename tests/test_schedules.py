"""Schedules by epoch and by share of a run."""

import pytest

from distill_lib.errors import DistillError
from distill_lib.schedules import PAPER_EPOCHS, Decay, early_decay, one_cycle, step_decay


def feature_weights(epochs, **settings):
    return [early_decay(epoch, rate=6.0, factor=0.9, **settings) for epoch in epochs]


def test_imagenet_steps_after_every_thirty_epochs():
    for version in ("lrdv1", "lrdv2"):
        found = feature_weights((1, 29, 30, 59, 60, 90), version=version)
        assert found == pytest.approx([6, 6, 5.4, 5.4, 4.86, 4.374])


def test_cifar_steps_at_60_and_160_under_lrdv2_only():
    epochs = (1, 59, 60, 159, 160, 200)
    assert feature_weights(epochs, data="cifar", version="lrdv1") == [6.0] * 6
    found = feature_weights(epochs, data="cifar", version="lrdv2")
    assert found == pytest.approx([6, 6, 5.4, 5.4, 4.86, 4.86])


@pytest.mark.parametrize(("data", "warm_up"), [("imagenet", 30), ("cifar", 60)])
def test_the_other_losses_wait_for_the_warm_up(data, warm_up):
    def weight(epoch, version):
        return early_decay(epoch, rate=1.0, data=data, version=version, is_feature_loss=False)

    assert [weight(epoch, "lrdv2") for epoch in (1, warm_up, warm_up + 1, 300)] == [0, 0, 1, 1]
    assert [weight(epoch, "lrdv1") for epoch in (1, warm_up, 300)] == [1, 1, 1]


def test_unknown_names_and_epochs_are_refused():
    with pytest.raises(DistillError, match="counted from 1"):
        early_decay(0, rate=1.0)
    with pytest.raises(DistillError, match="lrdv3"):
        early_decay(1, rate=1.0, version="lrdv3")
    with pytest.raises(DistillError, match="mnist"):
        early_decay(1, rate=1.0, data="mnist")


def test_step_decay_drops_at_the_milestones():
    found = [step_decay(done, (100, 150), 0.1) for done in (0, 99.9, 100, 149, 150, 199)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_one_cycle_rises_to_the_peak_and_falls_to_zero():
    found = [one_cycle(i / 100, 0.25) for i in range(101)]
    assert found[0] == 0
    assert found[25] == max(found) == 1
    assert found[-1] == pytest.approx(0, abs=1e-12)
    assert found[:26] == sorted(found[:26])
    assert found[25:] == sorted(found[25:], reverse=True)


@pytest.mark.parametrize("peak_at", [0.0, 1.0])
def test_one_cycle_may_peak_at_either_end(peak_at):
    found = [one_cycle(i / 10, peak_at) for i in range(10)]
    assert all(0 <= factor <= 1 for factor in found)


@pytest.mark.parametrize("data", PAPER_EPOCHS)
@pytest.mark.parametrize("version", ["lrdv1", "lrdv2"])
@pytest.mark.parametrize("is_feature_loss", [True, False])
def test_decay_over_the_papers_epochs_is_early_decay(data, version, is_feature_loss):
    settings = {"data": data, "version": version, "factor": 0.9}
    epochs = PAPER_EPOCHS[data]
    for epoch in range(1, epochs + 1):
        found = Decay(**settings).factor_at(epoch, epochs=epochs, is_feature_loss=is_feature_loss)
        exact = early_decay(epoch, rate=6.0, is_feature_loss=is_feature_loss, **settings)
        assert 6.0 * found == exact


def decayed(epochs, is_feature_loss, **settings):
    decay = Decay(**settings)
    return [
        decay.factor_at(epoch, epochs=epochs, is_feature_loss=is_feature_loss)
        for epoch in range(1, epochs + 1)
    ]


def test_decay_scales_with_the_run():
    # Of 8 epochs each stands for the paper's 13, 25, 38, 50, 63, 75, 88, 100.
    assert decayed(8, False) == [0, 0, 1, 1, 1, 1, 1, 1]
    steps = [0, 0, 1, 1, 2, 2, 2, 3]
    assert decayed(8, True, factor=0.9) == pytest.approx([0.9**n for n in steps])
    assert decayed(10, False, data="cifar") == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert decayed(3, False) == [1, 1, 1]
    assert decayed(1, False) == [1]
    twice = decayed(200, True, factor=0.9)
    assert twice[::2] == twice[1::2] == decayed(100, True, factor=0.9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "mnist"}, "mnist"),
        ({"version": "lrdv3"}, "lrdv3"),
        ({"factor": -0.1}, "factor is -0.1"),
        ({"factor": float("nan")}, "factor is nan"),
        ({"factor": float("inf")}, "factor is inf"),
    ],
)
def test_an_impossible_decay_is_refused(settings, message):
    with pytest.raises(DistillError, match=message):
        Decay(**settings)
