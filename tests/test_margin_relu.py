"""The margin is a conditional mean, in every corner of its domain."""

import math

import pytest
import torch

from distill_lib import margin_from_batch_norm, margin_relu
from distill_lib.errors import DistillError
from distill_lib.margin_relu import mean_of_negatives

THRESHOLD = 3.0902323061678132
"""Where P(x < 0) is 0.001, in sigmas."""


def integrated_mean_of_negatives(mean: float, sigma: float) -> float:
    """E[x | x < 0] by the trapezoidal rule, the density scaled so that it cannot underflow."""
    # With x = -u, the density is proportional to exp(-(u + b)²/2σ² + b²/2σ²) for b > 0.
    z = mean / sigma
    reach = 12.0 if z <= 0 else 40.0 / max(z, 1.0)
    if z <= 0:
        u = torch.linspace(0, -z + reach, 400_001, dtype=torch.float64)
        density = torch.exp(-((u + z) ** 2) / 2)
    else:
        u = torch.linspace(0, min(reach, 12.0), 400_001, dtype=torch.float64)
        density = torch.exp(-(u**2) / 2 - u * z)
    return float(-sigma * torch.trapezoid(u * density, u) / torch.trapezoid(density, u))


def one(weight: float, bias: float, tail: str, dtype=torch.float64) -> float:
    weight, bias = torch.tensor([weight], dtype=dtype), torch.tensor([bias], dtype=dtype)
    return margin_from_batch_norm(weight, bias, tail).item()


@pytest.mark.parametrize("weight", [0.3, -2.0])
@pytest.mark.parametrize("z", [-50, -6, -1, 0, 0.5, 2, 3, 3.0902, 3.0903, 5, 8, 14, 37, 100, 1e3])
def test_exact_margin_is_the_integral(weight, z):
    expected = integrated_mean_of_negatives(z * abs(weight), abs(weight))
    assert one(weight, z * abs(weight), "exact") == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("z", [-50, -1, 0, 0.5, 2, 3, 3.0902])
def test_tails_agree_where_negatives_are_not_rare(z):
    assert one(0.7, 0.7 * z, "paper") == one(0.7, 0.7 * z, "exact")


@pytest.mark.parametrize("z", [3.0903, 5, 14, 1e6])
def test_paper_tail_is_three_sigma_where_negatives_are_rare(z):
    assert one(-0.7, 0.7 * z, "paper") == pytest.approx(-2.1)


def test_margin_is_the_mean_of_samples():
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.tensor([1.0, -0.5, 2.0]), torch.tensor([0.3, 0.9, -1.0])
    noise = torch.randn(200_000, 3, generator=generator)
    total, count = mean_of_negatives(noise * weight + bias)
    expected = total / count
    found = margin_from_batch_norm(weight, bias)
    # Three standard errors of the rarest channel's mean.
    assert (found - expected).abs().max() < 3 * 0.5 / math.sqrt(count.min())


def test_the_paper_margin_jumps_and_the_exact_one_does_not():
    before, after = THRESHOLD - 1e-6, THRESHOLD + 1e-6
    assert one(1, before, "paper") == pytest.approx(-0.277, abs=1e-3)
    assert one(1, after, "paper") == -3
    assert one(1, before, "exact") == pytest.approx(one(1, after, "exact"), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_tail_is_monotone_and_never_positive(dtype):
    z = torch.cat([torch.linspace(-40, 40, 20_001), torch.logspace(1.61, 6, 2_001)]).to(dtype)
    margin = margin_from_batch_norm(torch.ones_like(z), z, "exact")
    assert (margin < 0).all()
    assert (margin.diff() >= 0).all()


def test_exact_tail_is_smooth():
    z = torch.linspace(2.5, 3.7, 1_201, dtype=torch.float64)
    margin = margin_from_batch_norm(torch.ones_like(z), z, "exact")
    assert margin.diff().diff().abs().max() < 1e-6


@pytest.mark.parametrize("z", [14, 100, 9_999.9, 10_000.1, 1e6])
def test_far_right_follows_the_asymptote(z):
    for dtype in (torch.float32, torch.float64):
        asymptote = -1 / z * (1 - 2 / z**2 + 10 / z**4)
        assert one(1, z, "exact", dtype) == pytest.approx(asymptote, rel=1e-5)


@pytest.mark.parametrize("z", [-1e3, -9_999.9, -10_001, -1e6])
def test_far_left_is_the_mean_itself(z):
    assert one(2.0, 2 * z, "paper") == pytest.approx(2 * z)
    assert one(2.0, 2 * z, "exact") == pytest.approx(2 * z)


@pytest.mark.parametrize("tail", ["paper", "exact"])
@pytest.mark.parametrize("weight", [0.0, -0.0, 1e-40, -1e-40])
@pytest.mark.parametrize("bias", [-1.5, 0.0, 1.5])
def test_a_vanishing_weight_gives_the_limit(tail, weight, bias):
    assert one(weight, bias, tail, torch.float32) == pytest.approx(min(bias, 0.0), abs=1e-37)


@pytest.mark.parametrize("tail", ["paper", "exact"])
def test_the_sign_of_the_weight_does_not_matter(tail):
    weight, bias = torch.linspace(0.1, 2, 50), torch.linspace(-3, 3, 50)
    plus, minus = (margin_from_batch_norm(w, bias, tail) for w in (weight, -weight))
    assert torch.equal(plus, minus)


@pytest.mark.parametrize("tail", ["paper", "exact"])
def test_never_positive_and_always_finite(tail):
    values = [0.0, 1e-45, 1e-40, 1e-20, 1e-6, 0.1, 1.0, 1e3, 1e20, 3e38]
    values = torch.tensor([*values, *(-v for v in values)])
    weight, bias = (grid.flatten() for grid in torch.meshgrid(values, values, indexing="ij"))
    margin = margin_from_batch_norm(weight, bias, tail)
    assert not margin.isnan().any()
    assert (margin <= 0).all()
    moderate = weight.abs() < 1e38
    assert margin[moderate].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept_and_nothing_is_tracked(dtype):
    weight = torch.ones(3, dtype=dtype, requires_grad=True)
    margin = margin_from_batch_norm(weight, torch.zeros(3, dtype=dtype))
    assert margin.dtype == dtype
    assert not margin.requires_grad
    assert margin[0].item() == pytest.approx(-math.sqrt(2 / math.pi), rel=4e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("in_weight", [True, False])
def test_a_value_that_is_not_finite_is_refused(bad, in_weight):
    good, broken = torch.ones(4), torch.tensor([1.0, 1.0, bad, 1.0])
    arguments = (broken, good) if in_weight else (good, broken)
    with pytest.raises(DistillError, match="channel 2 of 4"):
        margin_from_batch_norm(*arguments)


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(DistillError, match=r"\(3,\) and bias \(1,\)"):
        margin_from_batch_norm(torch.ones(3), torch.ones(1))
    with pytest.raises(DistillError, match="one value per channel"):
        margin_from_batch_norm(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(DistillError, match="expected 'paper' or 'exact'"):
        margin_from_batch_norm(torch.ones(3), torch.ones(3), "precise")


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 4, 2), (5, 3, 4, 2, 2)])
@pytest.mark.parametrize("margin_shape", [(3,), (1, 3, 1, 1)])
def test_margin_relu_goes_by_channel(shape, margin_shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    margin = torch.tensor([-0.1, -1.0, 0.0])
    found = margin_relu(x, margin.view(margin_shape))
    for channel in range(3):
        assert torch.equal(found[:, channel], x[:, channel].clamp_min(margin[channel].item()))


def test_margin_relu_keeps_the_dtype_of_the_features():
    x = torch.zeros(1, 2, 3, 3, dtype=torch.bfloat16)
    assert margin_relu(x, torch.tensor([-1.0, -2.0])).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("shape", "channels"), [((2, 3, 4, 4), 1), ((2, 3, 4, 4), 4), ((2, 1, 4, 4), 4), ((3,), 3)]
)
def test_margin_relu_does_not_broadcast_by_chance(shape, channels):
    with pytest.raises(DistillError, match=f"holds {channels} values"):
        margin_relu(torch.zeros(shape), torch.zeros(channels))


def test_mean_of_negatives_adds_up_over_batches():
    x = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    x[:, 2] = x[:, 2].abs()
    total, count = mean_of_negatives(x)
    parts = [mean_of_negatives(part) for part in x.split(2)]
    assert torch.allclose(total, sum(part[0] for part in parts))
    assert torch.equal(count, sum(part[1] for part in parts))
    assert (total[2], count[2]) == (0, 0)
    negatives = x[:, 0][x[:, 0] < 0]
    assert total[0] / count[0] == pytest.approx(negatives.double().mean().item())
