"""float64 where there is one; what a training computes on MPS does not ask for it."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from distill_lib.distiller import Step
from distill_lib.losses import channel_loss, kd_loss, overhaul_loss
from distill_lib.margin_relu import mean_of_negatives
from distill_lib.number_formats import as_float64
from distill_lib.similarity import linear_cka
from distill_lib.training.guard import FiniteGuard
from distill_lib.training.run_state import RunState


class NoFloat64(TorchDispatchMode):
    """An error where MPS would raise one: fake tensors only say where they are."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "mps":
                assert tensor.dtype != torch.float64, function
        return result


@pytest.fixture
def mps():
    with FakeTensorMode(), NoFloat64():
        yield torch.device("mps")


def test_float64_where_there_is_one():
    assert as_float64(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float64


def test_the_mode_sees_float64(mps):
    with pytest.raises(AssertionError):
        torch.zeros(2, device=mps).double()


def test_a_step_is_counted_without_it(mps):
    logits, margin = torch.randn(4, 10, device=mps), torch.zeros(3, device=mps)
    student, teacher = torch.randn(2, 4, 3, 8, 8, device=mps)
    parts = {
        "kd": kd_loss(logits, logits, 4.0),
        "cd": channel_loss([student], [teacher]),
        "ofd": overhaul_loss([student], [teacher], [margin]),
    }
    step = Step(sum(parts.values()), parts, parts, logits)
    FiniteGuard(mps).watch(1, 0, torch.arange(4), step)
    state = RunState(nn.Module(), None, None)
    for _ in range(2):
        state.add(step, images=4)
    assert state.meters.keys() == {"kd", "cd", "ofd", "sum", "images"}
    assert state.meters["ofd"].dtype == torch.float32


def test_features_are_measured_without_it(mps):
    features = torch.randn(8, 3, 4, 4, device=mps)
    assert mean_of_negatives(features)[0].dtype == torch.float32
    assert linear_cka(features, features).dtype == torch.float32
