"""What the tests share: one thread, tiny networks, folders away from the checkout."""

import pytest
import torch

from distill_lib import paths
from distill_lib.models import build_model


@pytest.fixture(autouse=True)
def one_thread():
    """One torch thread, whatever the test before left; a test may set another number."""
    torch.set_num_threads(1)


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """Runs, results and cache in an empty folder, and no data of this machine."""
    for name in ("runs", "results", "cache"):
        monkeypatch.setattr(paths, f"{name}_dir", lambda folder=tmp_path / name: folder)
    monkeypatch.delenv("DISTILL_DATA", raising=False)
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "cache"))
    return tmp_path


def seeded(seed: int) -> torch.Generator:
    """A generator of the test's own: the global random state is left alone."""
    return torch.Generator().manual_seed(seed)


def used_network(name: str, num_classes: int = 10, *, seed: int = 0) -> torch.nn.Module:
    """A network whose batch norms look trained: weights of both signs, biases, statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(name, num_classes)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.weight, 1.0, 0.3)
                torch.nn.init.normal_(module.bias, 0.0, 0.3)
                torch.nn.init.normal_(module.running_mean, 0.0, 0.3)
                torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


@pytest.fixture
def teacher():
    """WRN-10-2, 10 classes, with batch norms as a trained network has them."""
    return used_network("wrn_10_2", seed=1)


@pytest.fixture
def student():
    """WRN-10-1, 10 classes, freshly initialised but always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return build_model("wrn_10_1", 10)


@pytest.fixture
def batch():
    """Four images of 32 x 32 pixels and their labels."""
    return torch.randn(4, 3, 32, 32, generator=seeded(3)), torch.tensor([3, 1, 4, 1])
