"""Every golden value against the library, as functions that raise AssertionError.

The values were computed with the authors' code. Which comparisons there are, and how many taps,
epochs or steps each has, is read off the keys, so that other files of the same kind
can be compared.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distill_lib import losses, models, schedules, terms
from distill_lib import margin_from_batch_norm as closed_form
from distill_lib import margin_relu as relu_of_teacher
from distill_lib.distiller import Distiller

STORED = 1e-6
"""Relative tolerance for what is computed from stored tensors."""
ROUNDING = 1e-7
"""Absolute tolerance of one divergence in float32, before the factor T²: small at a large T."""
VALUE = 1e-5
"""Relative tolerance for what goes through networks."""
GRADIENT = 1e-4
"""The same for gradients, of the tensor's largest magnitude."""
TRAJECTORY = 1.2e-2
"""Absolute tolerance after many optimiser steps."""

FEATURE_RATE = 6.0
"""The authors' weight of the feature loss; the others' is 1."""
FACTORS = {"fd_family": 0.9, "fd_family_nodecay": 1.0}
"""What the feature losses are multiplied by at each step."""


class Golden:
    """A file of golden values that remembers which of them were read."""

    def __init__(self, path: Path):
        with np.load(path) as file:
            self._values = {key: file[key] for key in file.files}
        self.read: set[str] = set()

    @property
    def keys(self) -> set[str]:
        return set(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def array(self, key: str) -> np.ndarray:
        self.read.add(key)
        return self._values[key]

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.array(key).copy())

    def number(self, key: str) -> float:
        return float(self.array(key))

    def names(self, prefix: str, pattern: str = r"[^/]+") -> list[str]:
        """What follows the prefix in the keys and matches the pattern, each once, in order."""
        found = (re.match(re.escape(prefix) + f"({pattern})", key) for key in self._values)
        return list(dict.fromkeys(match[1] for match in found if match))

    def series(self, prefix: str) -> list[Tensor]:
        """prefix0, prefix1, ... as far as they go."""
        count = len(self.names(prefix, r"\d+$"))
        return [self.tensor(f"{prefix}{i}") for i in range(count)]

    def state(self, prefix: str) -> dict[str, Tensor]:
        """The entries of a state_dict."""
        return {name: self.tensor(prefix + name) for name in self.names(prefix, ".+$")}


def comparisons(golden: Golden) -> dict[str, Callable[[Golden], None]]:
    """Name -> function that compares, for everything that the keys speak of."""
    found: dict[str, Callable[[Golden], None]] = {
        "margin": compare_margin,
        "partial_l2": compare_partial_l2,
        "ofd_trajectory": compare_trajectory,
        "cd": partial(compare_features, group="cd", loss=losses.channel_loss),
        "at": partial(compare_features, group="at", loss=losses.attention_loss),
    }
    for mode in golden.names("ofd/teacher_"):
        found[f"ofd/teacher_{mode}"] = partial(compare_overhaul, mode=mode)
    for temperature in golden.names("kd/T"):
        found[f"kd/T{temperature}"] = partial(compare_kd, temperature=temperature)
    for case in golden.names("gkd/"):
        if case.startswith("T"):
            found[f"gkd/{case}"] = partial(compare_kd, temperature=case[1:], guided=True)
        else:
            found[f"gkd/{case}"] = partial(compare_hard_case, case=case)
    for data in golden.names("schedule/"):
        for version in golden.names(f"schedule/{data}/"):
            found[f"schedule/{data}/{version}"] = partial(
                compare_schedule, data=data, version=version
            )
    return found


def _assert_close(what: str, ours, golden, relative: float, absolute: float = 0.0) -> None:
    """Differences are measured against the largest magnitude of the golden tensor."""
    ours = torch.as_tensor(ours).detach().double()
    golden = torch.as_tensor(golden).double()
    assert ours.shape == golden.shape, f"{what}: {tuple(ours.shape)} for {tuple(golden.shape)}"
    allowed = relative * golden.abs().max() + absolute
    difference = (ours - golden).abs().max()
    # Written so that NaN fails.
    assert difference <= allowed, f"{what}: differs by {difference:.3g}, allowed {allowed:.3g}"


def compare_margin(golden: Golden) -> None:
    weight, bias = golden.tensor("margin/bn_weight"), golden.tensor("margin/bn_bias")
    margin, expected = closed_form(weight, bias), golden.tensor("margin/expected")
    # Channel by channel: their magnitudes differ widely.
    torch.testing.assert_close(margin.double(), expected.double(), rtol=STORED, atol=0)


def compare_partial_l2(golden: Golden) -> None:
    student = golden.tensor("partial_l2/student").requires_grad_()
    teacher, margin = golden.tensor("partial_l2/teacher"), golden.tensor("partial_l2/margin")
    loss = losses.partial_l2(student, relu_of_teacher(teacher, margin))
    loss.backward()
    _assert_close("partial L2", loss, golden.tensor("partial_l2/expected_sum"), STORED)
    gradient = golden.tensor("partial_l2/expected_grad_student")
    _assert_close("its gradient", student.grad, gradient, STORED)


def compare_features(golden: Golden, group: str, loss: Callable) -> None:
    students = [student.requires_grad_() for student in golden.series(f"{group}/student")]
    value = loss(students, golden.series(f"{group}/teacher"))
    value.backward()
    _assert_close(group, value, golden.tensor(f"{group}/expected"), STORED)
    gradients = golden.series(f"{group}/expected_grad")
    for i, (student, gradient) in enumerate(zip(students, gradients, strict=True)):
        _assert_close(f"{group}, gradient {i}", student.grad, gradient, STORED)


def compare_kd(golden: Golden, temperature: str, guided: bool = False) -> None:
    inputs = f"kd/T{temperature}"
    student = golden.tensor(f"{inputs}/student").requires_grad_()
    teacher = golden.tensor(f"{inputs}/teacher")
    if guided:
        labels = golden.tensor(f"{inputs}/labels")
        value = losses.guided_kd_loss(student, teacher, labels, float(temperature))
    else:
        value = losses.kd_loss(student, teacher, float(temperature))
    value.backward()
    group = f"gkd/T{temperature}" if guided else inputs
    rounding = ROUNDING * float(temperature) ** 2
    _assert_close(group, value, golden.tensor(f"{group}/expected"), STORED, rounding)
    gradient = golden.tensor(f"{group}/expected_grad")
    _assert_close(f"{group}, gradient", student.grad, gradient, STORED)


def compare_hard_case(golden: Golden, case: str) -> None:
    """Guided KD where the authors' code is wrong: the definition counts, not their value."""
    student = golden.tensor(f"gkd/{case}/student").requires_grad_()
    teacher, labels = golden.tensor(f"gkd/{case}/teacher"), golden.tensor(f"gkd/{case}/labels")
    theirs = golden.number(f"gkd/{case}/reference_value")
    true_key = f"gkd/{case}/true_value"
    truth = golden.number(true_key) if true_key in golden else 0.0
    value = losses.guided_kd_loss(student, teacher, labels, 1.0)
    value.backward()
    what = f"{case} (the authors' code gives {theirs:.4g})"
    _assert_close(what, value, truth, STORED)
    assert student.grad.isfinite().all(), what
    if truth == 0:
        assert not (teacher.argmax(1) == labels).any(), f"{what}: the teacher is right somewhere"
        assert (student.grad == 0).all(), what


def compare_schedule(golden: Golden, data: str, version: str) -> None:
    for family in golden.names(f"schedule/{data}/{version}/"):
        is_feature_loss = family in FACTORS
        expected = golden.array(f"schedule/{data}/{version}/{family}")
        weights = [
            schedules.early_decay(
                epoch,
                rate=FEATURE_RATE if is_feature_loss else 1.0,
                factor=FACTORS.get(family, 1.0),
                data=data,
                version=version,
                is_feature_loss=is_feature_loss,
            )
            for epoch in range(1, len(expected) + 1)
        ]
        _assert_close(f"{data} {version} {family}", weights, expected, STORED)


def _wide_resnet(state: dict[str, Tensor]) -> nn.Module:
    """The network that the entries belong to, with them in it."""
    blocks = len(
        [name for name in state if re.fullmatch(r"block1\.layer\.\d+\.conv1\.weight", name)]
    )
    width = state["block1.layer.0.conv1.weight"].shape[0] // 16
    model = models.build_model(f"wrn_{6 * blocks + 4}_{width}", len(state["fc.bias"]))
    model.load_state_dict(state)
    return model


def _distiller(golden: Golden, mode: str) -> tuple[Distiller, terms.Overhaul]:
    teacher = _wide_resnet(golden.state("ofd/teacher/"))
    student = _wide_resnet(golden.state("ofd/student/"))
    overhaul = terms.Overhaul(weight=1e-3)
    size = golden.array("ofd/x").shape[-1]
    distiller = Distiller(teacher, student, [terms.CrossEntropy(), overhaul], mode, image_size=size)
    overhaul.connectors.load_state_dict(golden.state("ofd/connectors/"))
    return distiller, overhaul


def compare_overhaul(golden: Golden, mode: str) -> None:
    distiller, overhaul = _distiller(golden, mode)
    images, labels = golden.tensor("ofd/x"), golden.tensor("ofd/y")
    step = distiller(images, labels)
    step.loss.backward()
    group = f"ofd/teacher_{mode}/"
    distance = step.raw["ofd"] * len(images)
    _assert_close(f"{group}logits", step.logits, golden.tensor(f"{group}student_logits"), VALUE)
    _assert_close(f"{group}distill", distance, golden.tensor(f"{group}distill_sum"), VALUE)
    _assert_close(f"{group}total", step.loss, golden.tensor(f"{group}total"), VALUE)
    parameters = dict(distiller.student.named_parameters())
    for i, connector in enumerate(overhaul.connectors):
        parameters[f"connector{i}"] = connector[0].weight
    for name in golden.names(f"{group}grad/"):
        gradient = golden.tensor(f"{group}grad/{name}")
        _assert_close(f"{group}grad/{name}", parameters[name].grad, gradient, GRADIENT)


def compare_trajectory(golden: Golden) -> None:
    """The authors' CIFAR settings: teacher in train mode, SGD with Nesterov momentum."""
    distiller, _ = _distiller(golden, "train")
    optimizer = torch.optim.SGD(
        distiller.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = zip(
        golden.tensor("ofd_trajectory/x").float(),
        golden.tensor("ofd_trajectory/y"),
        golden.tensor("ofd_trajectory/expected_loss"),
        strict=True,
    )
    for i, (images, labels, expected) in enumerate(steps):
        loss = distiller(images, labels).loss
        _assert_close(f"loss before step {i + 1}", loss, expected, 0.0, TRAJECTORY)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = distiller.run_student(golden.tensor("ofd/x")).logits
    expected = golden.tensor("ofd_trajectory/expected_final_logits_batch_statistics")
    _assert_close("final logits", logits, expected, 0.0, TRAJECTORY)
