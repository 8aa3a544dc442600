"""Terms: pairing of taps, connectors, margins, weights over epochs."""

from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from distill_lib import margin_from_batch_norm, margin_from_data
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError, FeatureError
from distill_lib.losses import (
    attention_loss,
    channel_loss,
    dkd_loss,
    guided_kd_loss,
    hint_loss,
    overhaul_loss,
    rkd_loss,
)
from distill_lib.measured_margins import weights_digest
from distill_lib.models import build_model
from distill_lib.recipes import AT, CD, DKD, GKD, OFD, RKD, Hint
from distill_lib.recipes.specs import SPECS, spec_from_dict
from distill_lib.schedules import Decay
from distill_lib.taps import Tap, find_taps
from distill_lib.terms import (
    AttentionTransfer,
    Channel,
    CrossEntropy,
    KnowledgeDistillation,
    Outputs,
    Overhaul,
    Relational,
    Term,
    check_pairs,
    connector,
    match_taps,
)


class Bare(nn.Module):
    """A network without batch norms, three resolutions."""

    def __init__(self, width=4, num_classes=10):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(3 if i == 0 else width, width, 3, 1 if i == 0 else 2, 1) for i in range(3)
        )
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        for conv, relu in zip(self.convs, self.relus, strict=True):
            x = relu(conv(x))
        return self.fc(x.mean((2, 3)))


def attached(teacher, student, **settings):
    term = Overhaul(**settings)
    term.attach(teacher, student, 32)
    return term


def test_connector_is_convolution_and_batch_norm_alone():
    convolution, norm = connector(16, 32)
    assert convolution.weight.shape == (32, 16, 1, 1)
    assert convolution.bias is None
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == 32
    wide = torch.cat([connector(64, 512)[0].weight.flatten() for _ in range(4)])
    assert wide.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)  # Kaiming, fan-out


def test_overhaul_pairs_the_taps_of_two_networks(teacher, student):
    term = attached(teacher, student)
    shapes = [tuple(connector[0].weight.shape[:2]) for connector in term.connectors]
    assert shapes == [(32, 16), (64, 32), (128, 64)]
    assert term.divisors == (4, 2, 1)
    for margin, name in zip(
        term.margins, ("block2.layer.0.bn1", "block3.layer.0.bn1", "bn1"), strict=True
    ):
        norm = teacher.get_submodule(name)
        assert torch.equal(margin, margin_from_batch_norm(norm.weight, norm.bias))


def test_tail_reaches_the_margins(teacher, student):
    nn.init.ones_(teacher.bn1.weight)
    nn.init.constant_(teacher.bn1.bias, 10.0)
    paper, exact = (attached(teacher, student, tail=tail) for tail in ("paper", "exact"))
    assert (paper.margins[2] == -3).all()
    assert (exact.margins[2] > -0.1).all()


def test_overhaul_is_the_loss_of_its_parts_divided_by_the_batch(teacher, student, batch):
    term = Overhaul(divisors=[8.0, 3.0, 1.0])
    distiller = Distiller(teacher, student, [term])
    images, labels = batch
    s, t = distiller.run_student(images), distiller.run_teacher(images)
    transformed = [
        connector(s.taps[tap]) for connector, tap in zip(term.connectors, s.taps, strict=True)
    ]
    expected = overhaul_loss(transformed, list(t.taps.values()), term.margins, [8.0, 3.0, 1.0])
    assert term(s, t, labels).item() == pytest.approx(expected.item() / len(images), rel=1e-5)
    assert sum(term.shares(s, t)).item() == pytest.approx(term(s, t, labels).item())


def test_taps_that_differ_in_number(teacher, student):
    with pytest.raises(FeatureError, match=r"(?s)teacher has 3 taps, student 1.*student_taps="):
        attached(teacher, student, student_taps=[Tap("relu")])


def test_taps_that_differ_in_size(teacher, student):
    taps = [Tap("block2.layer.0.relu1"), Tap("relu")]
    with pytest.raises(FeatureError, match=r"(?s)pair 1 of 2.*strides 1 and 4.*of equal size"):
        attached(teacher, student, teacher_taps=taps, student_taps=taps[::-1])


def test_divisors_that_differ_in_number(teacher, student):
    with pytest.raises(FeatureError, match="2 divisors for 3 taps"):
        attached(teacher, student, divisors=(2, 1))


def test_a_teacher_without_batch_norm_is_told_to_measure(student):
    with pytest.raises(FeatureError, match=r"(?s)no batch norm.*margin_from_data"):
        attached(Bare(), Bare())
    affine_free = build_model("wrn_10_1", 10)
    affine_free.bn1 = nn.BatchNorm2d(64, affine=False)
    with pytest.raises(FeatureError, match=r"(?s)pre relu.*margin_from_data"):
        attached(affine_free, student)


def test_measured_margins_are_the_mean_of_negatives():
    teacher = Bare().train()
    taps = find_taps(teacher, 32)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(n, 3, 32, 32, generator=generator) for n in (5, 3)]
    measured = margin_from_data(teacher, batches, taps)
    first = teacher.convs[0](torch.cat(batches))
    for channel in range(4):
        values = first[:, channel]
        expected = values[values < 0].mean().item() if (values < 0).any() else 0.0
        assert measured.margins[0][channel].item() == pytest.approx(expected, rel=1e-4)
    assert teacher.training
    term = attached(teacher, Bare(2), margins=measured)
    for margin, expected in zip(term.margins, measured.margins, strict=True):
        assert torch.equal(margin, expected)


def test_measured_margins_belong_to_one_teacher(teacher, student):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    taps = find_taps(teacher, 32)
    measured = margin_from_data(teacher, [images], taps)
    assert measured.teacher_digest == weights_digest(teacher)
    distiller = Distiller(teacher, student, [Overhaul(margins=measured)])
    distiller.refresh_margins()
    with torch.no_grad():
        teacher.bn1.running_mean[0] += 1e-3
    with pytest.raises(FeatureError, match=r"(?s)other weights.*Measure them again"):
        distiller.refresh_margins()
    with pytest.raises(FeatureError, match="other weights"):
        attached(build_model("wrn_10_2", 10), student, margins=measured)
    with pytest.raises(FeatureError, match=r"(?s)measured at .* but the taps are pre relu"):
        relu = [Tap("relu")]
        attached(teacher, student, margins=measured, teacher_taps=relu, student_taps=relu)


def test_measuring_needs_images(teacher):
    with pytest.raises(FeatureError, match="no batch of images"):
        margin_from_data(teacher, [], [Tap("relu")])


def test_margins_follow_weights_that_are_loaded_later(teacher, student):
    target = build_model("wrn_10_2", 10)
    term = attached(target, student)
    before = [margin.clone() for margin in term.margins]
    target.load_state_dict(teacher.state_dict())
    expected = attached(teacher, student).margins
    for old, new, margin in zip(before, term.margins, expected, strict=True):
        assert not torch.equal(old, new)
        assert torch.equal(new, margin)


def test_the_teacher_is_no_part_of_a_term(teacher, student):
    term = attached(teacher, student)
    names = {name.split(".")[0] for name, _ in term.named_parameters()}
    assert names == {"connectors"}
    assert {name.split(".")[0] for name in term.state_dict()} == {
        *("connectors", "margin0", "margin1", "margin2")
    }


def test_weight_over_epochs():
    assert Term(0.5).weight_at(7) == 0.5
    assert Term(0.5, lambda epoch: 1 / epoch).weight_at(4) == 0.125
    assert repr(CrossEntropy(0.25)) == "CrossEntropy(weight=0.25)"
    with pytest.raises(TypeError, match="without a forward"):
        Term(1.0)(None, None, None)


def test_cross_entropy_smooths_and_widens():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    outputs, labels = Outputs(logits.bfloat16()), torch.tensor([0])
    value = CrossEntropy(label_smoothing=0.1)(outputs, None, labels)
    assert value.dtype == torch.float32
    log_p = logits.log_softmax(1)[0]
    expected = -0.9 * log_p[0] - 0.1 * log_p.mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("temperature", [0, -4.0, float("nan")])
def test_a_temperature_is_refused_before_training(temperature):
    with pytest.raises(DistillError, match="temperature is"):
        KnowledgeDistillation(temperature=temperature)


def distilled(teacher, student, batch, spec):
    """One step of a term: the term, its raw value, and what both networks gave."""
    distiller = Distiller(teacher, student, [spec.build(epochs=10)])
    images, labels = batch
    step = distiller(images, labels)
    step.loss.backward()
    (term,) = distiller.terms
    assert step.loss.item() == pytest.approx(spec.weight * step.raw[term.name].item())
    assert all(p.grad is None or p.grad.isfinite().all() for p in distiller.parameters())
    assert all((p.grad != 0).any() for p in term.parameters())
    assert (student.conv1.weight.grad != 0).any()
    s, t = distiller.run_student(images), distiller.run_teacher(images)
    return term, step.raw[term.name].item(), s, t


LAST_RELUS = ["block2.layer.0.relu1", "block3.layer.0.relu1", "relu"]
"""Of a WRN with one block in each group, after which each resolution ends."""


def test_channel_distillation(teacher, student, batch):
    term, raw, s, t = distilled(teacher, student, batch, CD())
    taps = [Tap(name, "post") for name in LAST_RELUS]
    assert term.student_taps == term.teacher_taps == taps
    for connect, channels in zip(term.connectors, ((16, 32), (32, 64), (64, 128)), strict=True):
        convolution, norm, relu = connect
        assert convolution.weight.shape == (*channels[::-1], 1, 1)
        assert convolution.bias is None
        assert (norm.num_features, type(relu)) == (channels[1], nn.ReLU)
    features = [connect(s.taps[tap]) for connect, tap in zip(term.connectors, taps, strict=True)]
    assert min(x.min() for x in [*features, *t.taps.values()]) == 0
    expected = channel_loss(features, [t.taps[tap] for tap in taps])
    assert raw == pytest.approx(expected.item(), rel=1e-5)
    wide = torch.cat([term.build_connector(64, 512)[0].weight.flatten() for _ in range(4)])
    assert wide.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)  # Kaiming, fan-out


def test_attention_transfer_needs_no_connector(teacher, student, batch):
    term, raw, s, t = distilled(teacher, student, batch, AT())
    assert not list(term.parameters())
    assert [tap.relu for tap in term.student_taps] == LAST_RELUS
    expected = attention_loss(list(s.taps.values()), list(t.taps.values()))
    assert raw == pytest.approx(expected.item(), rel=1e-5)


def test_the_hint_is_at_the_middle_tap(teacher, student, batch):
    term, raw, s, t = distilled(teacher, student, batch, Hint())
    (tap,) = term.student_taps
    assert term.teacher_taps == [tap] == [Tap(LAST_RELUS[1], "post")]
    assert [type(module) for module in term.connectors[0]] == [nn.Conv2d, nn.BatchNorm2d]
    expected = hint_loss([term.connectors[0](s.taps[tap])], [t.taps[tap]])
    assert raw == pytest.approx(expected.item(), rel=1e-5)


def test_relations_are_those_of_the_last_tap(teacher, student, batch):
    term, raw, s, t = distilled(teacher, student, batch, RKD(distance=2.0, angle=3.0))
    assert not list(term.parameters())
    tap = Tap("relu", "post")
    assert term.student_taps == term.teacher_taps == [tap]
    expected = rkd_loss(s.taps[tap], t.taps[tap], distance=2.0, angle=3.0)
    assert raw == pytest.approx(expected.item(), rel=1e-4)


def test_guided_and_decoupled_kd(teacher, student, batch):
    labels = teacher.eval()(batch[0]).argmax(1)
    labels[0] = (labels[0] + 1) % 10
    batch = (batch[0], labels)
    _, raw, s, t = distilled(teacher, student, batch, GKD(temperature=2.0))
    expected = guided_kd_loss(s.logits, t.logits, labels, 2.0)
    assert raw == pytest.approx(expected.item(), rel=1e-4)
    student.zero_grad()
    _, raw, s, t = distilled(teacher, student, batch, DKD(alpha=2.0, beta=3.0, temperature=5.0))
    expected = dkd_loss(s.logits, t.logits, labels, 2.0, 3.0, 5.0)
    assert raw == pytest.approx(expected.item(), rel=1e-4)


def at(stride, name="relu"):
    return Tap(f"{name}{stride}", "post", channels=4, size=(32 // stride,) * 2, stride=stride)


def test_taps_of_different_number_are_matched_by_size():
    teacher, student = [at(4), at(8), at(16), at(32)], [at(2), at(4, "s"), at(16, "s")]
    assert match_taps(teacher, student) == (
        [at(4), at(16)],
        [at(4, "s"), at(16, "s")],
        [("teacher", at(8)), ("teacher", at(32)), ("student", at(2))],
    )
    with pytest.raises(FeatureError, match=r"(?s)no tap of the teacher.*stride 4.*student_taps="):
        match_taps([at(4), at(8)], [at(1)])


def test_where_the_means_count_sizes_may_differ():
    check_pairs([at(4)], [at(8)], same_size=False)
    with pytest.raises(FeatureError, match="strides 4 and 8"):
        check_pairs([at(4)], [at(8)])
    with pytest.raises(FeatureError, match="teacher has 1 taps, student 2"):
        check_pairs([at(4)], [at(4), at(8)], same_size=False)
    floor, ceil = (replace(at(4), size=(n, n)) for n in (12, 13))
    with pytest.raises(FeatureError, match="12x12 and 13x13"):
        check_pairs([floor], [ceil])


def test_networks_with_other_stages(student):
    teacher = build_model("resnet18", 10)
    found = {}
    for term in (Overhaul(), Channel(), Relational()):
        term.attach(teacher, student, 64)
        found[term.name] = (term.teacher_taps, term.student_taps, len(term.dropped_taps))
    # Strides 4, 8, 16, 32 and 1, 2, 4.
    assert found["ofd"] == ([Tap("layer1.1.relu")], [Tap("relu")], 5)
    assert found["cd"] == ([Tap("layer1.1.relu", "post")], [Tap("relu", "post")], 5)
    assert found["rkd"] == ([Tap("layer4.1.relu", "post")], [Tap("relu", "post")], 0)
    named = {"teacher_taps": [Tap("layer4.1.relu", "post")], "student_taps": [Tap("relu", "post")]}
    Channel(**named).attach(teacher, student, 64)
    with pytest.raises(FeatureError, match="strides 32 and 4"):
        AttentionTransfer(**named).attach(teacher, student, 64)
    with pytest.raises(FeatureError, match="teacher has 4 taps, student 1"):
        Channel(student_taps=named["student_taps"]).attach(teacher, student, 64)


def test_a_students_tap_may_be_any_module(teacher, student, batch):
    taps = [Tap("block2.layer.0.conv1", "post")]
    term = Channel(student_taps=taps, teacher_taps=[Tap("block2.layer.0.relu1", "post")])
    step = Distiller(teacher, student, [term])(*batch)
    assert step.loss.isfinite()
    assert term.student_taps[0].channels == 32


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_builds_its_term_and_comes_back_from_data(name):
    spec = SPECS[name]()
    term = spec.build(epochs=10)
    assert (term.name, term.weight, term.schedule) == (name, spec.weight, None)
    assert "decay" not in spec.as_dict()
    # The term's own defaults are the spec's.
    assert type(term)().weight == spec.weight
    for field in fields(spec):
        if field.name != "weight" and not field.kw_only:
            assert getattr(type(term)(), field.name) == getattr(spec, field.name)
    decaying = SPECS[name](weight=2.0, decay=Decay("cifar", "lrdv2", 0.5))
    assert spec_from_dict(decaying.as_dict()) == decaying
    weights = [decaying.build(epochs=10).weight_at(epoch) for epoch in (1, 3, 4, 10)]
    acts_first = name in ("ofd", "cd", "at", "hint", "rkd")
    assert weights == ([2.0, 1.0, 1.0, 0.5] if acts_first else [0.0, 0.0, 1.0, 0.5])


def in_double(teacher, student, batch, spec):
    """A term and both networks' outputs in float64."""
    distiller = Distiller(teacher, student, [spec.build(epochs=10)]).double()
    distiller.refresh_margins()
    images = batch[0].double()
    return distiller.terms[0], distiller.run_student(images), distiller.run_teacher(images)


PARTIAL = {"partial_l2": lambda s, t: torch.where((s <= t) & (t <= 0), 0, s - t) ** 2}
DISTANCES = PARTIAL | {"l2": lambda s, t: (s - t) ** 2, "l1": lambda s, t: (s - t).abs()}
"""By name, element by element."""
NORMS = ("block2.layer.0.bn1", "block3.layer.0.bn1", "bn1")


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"tail": "exact"},
        {"teacher_transform": "relu"},
        {"teacher_transform": "none"},
        {"student_transform": "conv"},
        {"position": "post", "teacher_transform": "none"},
        {"distance": "l2"},
        {"distance": "l1"},
        {"stages": "last"},
    ],
    ids=str,
)
def test_each_choice_of_ofd_is_its_formula(teacher, student, batch, choice):
    nn.init.constant_(teacher.bn1.bias, 5.0)  # where negatives are rare the two tails differ
    spec = OFD(**choice)
    term, s, t = in_double(teacher, student, batch, spec)
    position, kept = spec.position, {"all": [0, 1, 2], "last": [2]}[spec.stages]
    assert term.teacher_taps == [Tap(LAST_RELUS[i], position) for i in kept]
    expected = 0.0
    for i, connect in zip(kept, term.connectors, strict=True):
        tap = Tap(LAST_RELUS[i], position)
        assert (t.taps[tap].min() >= 0) == (position == "post")
        connected = torch.einsum("ncij,oc->noij", s.taps[tap], connect[0].weight[:, :, 0, 0])
        if spec.student_transform == "conv_bn":
            variance, mean = torch.var_mean(connected, (0, 2, 3), correction=0, keepdim=True)
            connected = (connected - mean) / (variance + connect[1].eps).sqrt()
        norm = teacher.get_submodule(NORMS[i])
        target = {
            "margin": t.taps[tap].maximum(
                margin_from_batch_norm(norm.weight, norm.bias, spec.tail).view(1, -1, 1, 1)
            ),
            "relu": t.taps[tap].clamp_min(0),
            "none": t.taps[tap],
        }[spec.teacher_transform]
        differences = DISTANCES[spec.distance](connected, target.detach())
        expected = expected + differences.sum() / 2 ** (2 - i) / len(batch[0])
    raw = term(s, t, batch[1])
    assert raw.item() == pytest.approx(expected.item(), rel=1e-9)
    weights = [student.conv1.weight, *(connect[0].weight for connect in term.connectors)]
    gradients = (torch.autograd.grad(loss, weights, retain_graph=True) for loss in (raw, expected))
    for ours, plain in zip(*gradients, strict=True):
        assert ours.any()
        torch.testing.assert_close(ours, plain, rtol=1e-7, atol=1e-10)
    # `fit` refuses checkpoints with infinities, and spec and record are the same choice.
    assert all(value.isfinite().all() for value in term.state_dict().values())
    assert spec_from_dict(spec.as_dict()) == spec
    assert {key: spec.as_dict()[key] for key in choice} == choice


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"teacher_transform": "margins"}, "unknown teacher_transform 'margins'"),
        ({"student_transform": "bn"}, "unknown student_transform"),
        ({"position": "after"}, "unknown position 'after'"),
        ({"distance": "l3"}, "unknown distance"),
        ({"stages": "first"}, "unknown stages"),
        ({"position": "post"}, "(?s)would change nothing.*teacher_transform='none'"),
        ({"position": "post", "teacher_transform": "relu"}, "would change nothing"),
        ({"tail": "exact", "teacher_transform": "relu"}, "no margins to choose, and tail='exact'"),
        ({"stages": "last", "student_taps": ("relu",)}, "(?s)taps are named.*last of them alone"),
    ],
)
def test_choices_without_meaning_are_refused(choice, said):
    with pytest.raises(DistillError, match=said):
        OFD(**choice).build(epochs=10)


def test_measured_margins_need_the_margin_relu():
    teacher = Bare()
    measured = margin_from_data(teacher, [torch.randn(2, 3, 32, 32)], find_taps(teacher, 32))
    with pytest.raises(DistillError, match="no margins to choose"):
        Overhaul(margins=measured, teacher_transform="none")


def test_without_margins_no_batch_norm_is_needed():
    term = attached(Bare(), Bare(2), teacher_transform="relu")
    term.refresh_margins(Bare())
    assert all(torch.equal(margin, torch.zeros(4)) for margin in term.margins)


def test_stages_that_are_left_out_are_told(teacher, student):
    term = attached(teacher, student, stages="last")
    assert "ofd: teacher's pre relu -> student's pre relu (stride 4)" in term.describe_taps()
    assert term.describe_taps().count("left out") == 4


def test_named_taps_are_on_the_side_of_their_term():
    names = {"teacher_taps": ("relu", "bn1:pre"), "student_taps": ("relu", "bn1:post")}
    for spec, side in ((OFD(**names), "pre"), (CD(**names), "post")):
        settings = spec._settings()
        assert settings["teacher_taps"] == [Tap("relu", side), Tap("bn1", "pre")]
    after = OFD(position="post", teacher_transform="none", **names)._settings()
    assert after["teacher_taps"] == [Tap("relu", "post"), Tap("bn1", "pre")]


def test_channels_without_connectors(teacher, student, batch):
    with pytest.raises(FeatureError, match=r"(?s)tap has 16 channels, the teacher's 32.*=True"):
        Distiller(teacher, student, [Channel(connectors=False)])
    equal = build_model("wrn_10_2", 10)
    term, s, t = in_double(teacher, equal, batch, CD(connectors=False))
    assert not list(term.parameters())
    expected = sum(
        ((s.taps[tap].mean((2, 3)) - t.taps[tap].mean((2, 3))) ** 2).mean()
        for tap in term.teacher_taps
    )
    raw = term(s, t, batch[1])
    assert raw.item() == pytest.approx(expected.item(), rel=1e-9)
    (gradient,) = torch.autograd.grad(raw, equal.conv1.weight)
    assert gradient.any()
