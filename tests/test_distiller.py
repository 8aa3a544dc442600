"""The Distiller: what moves, what does not, what is saved, and what a step gives."""

import copy
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounter

from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.losses import kd_loss
from distill_lib.margin_relu import margin_from_batch_norm
from distill_lib.models import build_model
from distill_lib.taps import Tap
from distill_lib.terms import (
    AttentionTransfer,
    Channel,
    CrossEntropy,
    DecoupledKnowledgeDistillation,
    FeatureTerm,
    GuidedKnowledgeDistillation,
    Hint,
    KnowledgeDistillation,
    Overhaul,
    Relational,
    Term,
)

MODES = ("eval", "train")


class Poisoned(Term):
    """Gives NaN, through a parameter that nothing else reaches."""

    name = "poisoned"
    needs_teacher = False

    def __init__(self, weight):
        super().__init__(weight)
        self.own = nn.Parameter(torch.ones(3))

    def forward(self, student, teacher, labels):
        return self.own.sum() * student.logits.sum() * float("nan")


def every_term():
    return [CrossEntropy(), KnowledgeDistillation(), Overhaul()]


def train_steps(distiller, batch, steps=3):
    optimizer = torch.optim.SGD(distiller.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(steps):
        step = distiller(*batch)
        optimizer.zero_grad()
        step.loss.backward()
        optimizer.step()
    return step


def test_a_step_adds_its_weighted_parts(teacher, student, batch):
    terms = [CrossEntropy(0.1), KnowledgeDistillation(0.9), Overhaul(1e-3)]
    step = Distiller(teacher, student, terms)(*batch)
    assert list(step.parts) == list(step.raw) == ["ce", "kd", "ofd"]
    assert step.loss.item() == pytest.approx(sum(step.parts.values()).item())
    for term in terms:
        expected = term.weight * step.raw[term.name].item()
        assert step.parts[term.name].item() == pytest.approx(expected)
    assert not any(value.requires_grad for value in (*step.parts.values(), *step.raw.values()))
    assert step.raw["ce"].item() == pytest.approx(F.cross_entropy(step.logits, batch[1]).item())
    soft = kd_loss(step.logits, teacher(batch[0]), 4.0)
    assert step.raw["kd"].item() == pytest.approx(soft.item(), rel=1e-5)


def test_state_dict_holds_student_connectors_and_margins(teacher, student):
    distiller = Distiller(teacher, student, every_term())
    state = distiller.state_dict()
    expected = {f"student.{name}" for name in student.state_dict()}
    expected |= {f"terms.2.margin{i}" for i in range(3)}
    expected |= {
        f"terms.2.connectors.{i}.{name}"
        for i in range(3)
        for name in ("0.weight", *(f"1.{key}" for key in nn.BatchNorm2d(1).state_dict()))
    }
    assert state.keys() == expected
    other = Distiller(teacher, build_model("wrn_10_1", 10), every_term())
    other.load_state_dict(state)
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())


def test_the_optimiser_never_sees_the_teacher(teacher, student):
    distiller = Distiller(teacher, student, every_term())
    trained = {id(parameter) for parameter in distiller.parameters()}
    assert trained.isdisjoint({id(parameter) for parameter in teacher.parameters()})
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    connectors = sum(p.numel() for p in distiller.terms[2].connectors.parameters())
    assert sum(p.numel() for p in distiller.parameters()) == connectors + sum(
        p.numel() for p in student.parameters()
    )


@pytest.mark.parametrize("mode", MODES)
def test_nothing_of_the_teacher_moves(teacher, student, batch, mode):
    distiller = Distiller(teacher, student, every_term(), mode)
    before = copy.deepcopy(teacher.state_dict())
    assert "bn1.num_batches_tracked" in before
    train_steps(distiller, batch)
    distiller.eval()
    distiller(*batch)
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_teacher_mode_decides_about_the_statistics(teacher, student, batch):
    images, _ = batch
    found = {}
    for mode in MODES:
        distiller = Distiller(copy.deepcopy(teacher), student, every_term(), mode)
        assert distiller.teacher.training == (mode == "train")
        found[mode] = distiller.run_teacher(images).logits
        distiller.eval()
        assert not distiller.teacher.training
        distiller.train()
        assert distiller.teacher.training == (mode == "train")
    expected = {mode: copy.deepcopy(teacher).train(mode == "train")(images) for mode in MODES}
    for mode in MODES:
        assert torch.allclose(found[mode], expected[mode], atol=1e-6)
    assert not torch.allclose(found["train"], found["eval"], atol=1e-2)


@pytest.mark.parametrize("mode", MODES)
def test_each_network_runs_once_per_step(teacher, student, batch, mode):
    distiller = Distiller(teacher, student, every_term(), mode)
    calls = []
    for model in (teacher, student):
        model.register_forward_hook(lambda module, args, output: calls.append(module))
    train_steps(distiller, batch)
    assert calls == [teacher, student] * 3


def test_a_tapped_batch_norm_moves_once_per_step(teacher, student, batch):
    distiller = Distiller(teacher, student, every_term())
    norms = [m for m in distiller.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {0}
    train_steps(distiller, batch, steps=3)
    assert {int(norm.num_batches_tracked) for norm in norms} == {3}
    # The stem's statistics after one step: a tenth of the batch's.
    fresh = Distiller(teacher, build_model("wrn_10_1", 10), every_term())
    tapped = fresh.student.block2.layer[0].bn1
    seen = []
    tapped.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    fresh(*batch)
    (features,) = seen
    assert torch.allclose(tapped.running_mean, 0.1 * features.mean((0, 2, 3)), atol=1e-5)


def test_student_learns_and_so_do_the_connectors(teacher, student, batch):
    distiller = Distiller(teacher, student, [CrossEntropy(), Overhaul()])
    before = copy.deepcopy(distiller.state_dict())
    train_steps(distiller, batch, steps=1)
    for name, parameter in distiller.named_parameters():
        assert parameter.grad is not None, name
        assert not torch.equal(parameter, before[name]), name
    first = distiller(*batch).loss.item()
    train_steps(distiller, batch, steps=5)
    assert distiller(*batch).loss.item() < first


def test_margins_are_refreshed_when_the_teacher_is_loaded(teacher, student, batch):
    late = build_model("wrn_10_2", 10)
    distiller = Distiller(late, student, every_term())
    stale = [margin.clone() for margin in distiller.terms[2].margins]
    late.load_state_dict(teacher.state_dict())
    expected = Distiller(teacher, copy.deepcopy(student), every_term()).terms[2].margins
    for old, new, margin in zip(stale, distiller.terms[2].margins, expected, strict=True):
        assert not torch.equal(old, new)
        assert torch.equal(new, margin)


def test_margins_can_be_refreshed_by_hand(teacher, student):
    distiller = Distiller(teacher, student, every_term())
    with torch.no_grad():
        teacher.bn1.bias.fill_(-5.0)
        teacher.bn1.weight.fill_(0.1)
    distiller.refresh_margins()
    assert torch.allclose(distiller.terms[2].margins[2], torch.full((128,), -5.0), atol=1e-3)


def test_a_term_of_weight_zero_cannot_poison_the_loss(student, batch):
    poisoned = Poisoned(0.0)
    step = Distiller(None, student, [CrossEntropy(), poisoned])(*batch)
    assert step.raw["poisoned"].isnan()
    assert step.parts["poisoned"] == 0
    step.loss.backward()
    assert step.loss.item() == pytest.approx(step.raw["ce"].item())
    assert poisoned.own.grad.tolist() == [0.0, 0.0, 0.0]
    assert all(p.grad.isfinite().all() for p in student.parameters())


def test_a_schedule_switches_a_term_off_without_starving_the_optimiser(teacher, student, batch):
    late = Overhaul(schedule=lambda epoch: float(epoch > 2))
    distiller = Distiller(teacher, student, [CrossEntropy(), late])
    distiller(*batch, epoch=2).loss.backward()
    assert all((p.grad == 0).all() for p in late.connectors.parameters())
    distiller.zero_grad()
    step = distiller(*batch, epoch=3)
    step.loss.backward()
    assert step.parts["ofd"] > 0
    assert all((p.grad != 0).any() for p in late.connectors.parameters())


def test_all_terms_switched_off_still_give_a_gradient(student, batch):
    step = Distiller(None, student, [CrossEntropy(0.0)])(*batch)
    step.loss.backward()
    assert step.loss.item() == 0
    assert all((p.grad == 0).all() for p in student.parameters())


def test_without_a_teacher(student, batch):
    distiller = Distiller(None, student, [CrossEntropy()])
    assert distiller.teacher is None
    assert distiller.run_teacher(batch[0]) is None
    train_steps(distiller, batch)
    assert not any("teacher" in name for name in distiller.state_dict())


def test_a_teacher_that_no_term_needs_is_not_run(teacher, student):
    assert Distiller(teacher, student, [CrossEntropy()]).teacher is None


def test_bad_terms_are_refused(teacher, student):
    with pytest.raises(DistillError, match="at least one"):
        Distiller(teacher, student, [])
    with pytest.raises(DistillError, match="each name once"):
        Distiller(teacher, student, [CrossEntropy(), CrossEntropy()])
    with pytest.raises(DistillError, match="the terms kd, ofd need a teacher"):
        Distiller(None, student, every_term())
    with pytest.raises(DistillError, match="expected 'eval' or 'train'"):
        Distiller(teacher, student, every_term(), "frozen")


def test_class_counts_must_agree(teacher):
    with pytest.raises(DistillError, match="gives 10 classes, student WideResNet 7"):
        Distiller(teacher, build_model("wrn_10_1", 7), [KnowledgeDistillation()])


def test_building_moves_no_statistics(teacher, student):
    before = copy.deepcopy(student.state_dict()), copy.deepcopy(teacher.state_dict())
    Distiller(teacher, student, every_term(), "train")
    for model, state in zip((student, teacher), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_explain_shows_every_tap_and_changes_nothing(teacher, student, batch):
    distiller = Distiller(teacher, student, every_term(), "train")
    before = copy.deepcopy(distiller.state_dict())
    lines = distiller.explain(batch[0]).splitlines()
    assert len(lines) == 4
    for word in ("teacher tap", "shape", "batch norm", "margin", "divisor", "share"):
        assert word in lines[0]
    assert "pre block2.layer.0.relu1" in lines[1]
    for part in ("(16)", "32 x 32 x 32", "block2.layer.0.bn1", " 4 "):
        assert part in lines[1]
    shares = [float(line.split()[-2]) for line in lines[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert distiller.training
    assert distiller.teacher.training
    assert all(torch.equal(v, before[name]) for name, v in distiller.state_dict().items())


def test_explain_has_a_line_for_each_pair_of_every_term(teacher, student, batch):
    terms = [Overhaul(), Channel(), AttentionTransfer(), Relational()]
    distiller = Distiller(teacher, student, terms)
    shares = {term.name: [] for term in terms}
    for line in distiller.explain(batch[0]).splitlines()[1:]:
        shares[line.split()[0]].append(float(line.split()[-2]))
    assert [len(of_one) for of_one in shares.values()] == [3, 3, 3, 1]
    for of_one in shares.values():
        assert sum(of_one) == pytest.approx(100, abs=0.2)
    alone = Distiller(teacher, student, [Channel()]).explain(batch[0])
    assert "share" in alone and "margin" not in alone


def test_explain_says_that_no_term_compares_features(teacher, student, batch):
    distiller = Distiller(teacher, student, [CrossEntropy(), KnowledgeDistillation()])
    assert distiller.explain(batch[0]) == "no term compares features"
    assert Distiller(None, student, [CrossEntropy()]).explain(batch[0]).startswith("no term")


def test_a_feature_term_without_a_compare_says_so(teacher, student, batch):
    distiller = Distiller(teacher, student, [FeatureTerm(1.0)])
    with pytest.raises(TypeError, match="FeatureTerm without a compare"):
        distiller(*batch)


def test_the_teacher_moves_along(teacher, student, batch):
    distiller = Distiller(teacher, student, every_term()).to(torch.float64)
    for model in (distiller, distiller.teacher):
        assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert {margin.dtype for margin in distiller.terms[2].margins} == {torch.float64}
    images, labels = batch
    step = distiller(images.double(), labels)
    assert step.loss.dtype == torch.float64
    meta = distiller.to("meta")
    assert {p.device.type for p in meta.teacher.parameters()} == {"meta"}


def test_a_copy_reads_its_own_tensors(teacher, student, batch):
    distiller = Distiller(teacher, student, every_term())
    twin = copy.deepcopy(distiller)
    assert twin.teacher is not distiller.teacher
    expected = distiller(*batch).loss.item()
    assert twin(*batch).loss.item() == pytest.approx(expected)
    train_steps(twin, batch)
    assert twin.terms[2].connectors[0][0].weight.grad.abs().max() > 0
    assert all(p.grad is None for p in distiller.parameters())
    before = [margin.clone() for margin in distiller.terms[2].margins]
    twin.teacher.load_state_dict(build_model("wrn_10_2", 10).state_dict())
    for old, own, other in zip(
        before, distiller.terms[2].margins, twin.terms[2].margins, strict=True
    ):
        assert torch.equal(old, own)
        assert not torch.equal(own, other)


def test_compiled_networks_are_unwrapped(teacher, student, batch):
    compiled = torch.compile(teacher), torch.compile(student)
    distiller = Distiller(*compiled, every_term())
    assert (distiller.teacher, distiller.student) == (teacher, student)
    assert distiller(*batch).loss.isfinite()


def test_a_step_is_one_graph_for_the_compiler(teacher, student, batch):
    terms = (
        CrossEntropy,
        KnowledgeDistillation,
        DecoupledKnowledgeDistillation,
        GuidedKnowledgeDistillation,
        Hint,
        AttentionTransfer,
        Relational,
        Channel,
        Overhaul,
    )
    distiller = Distiller(teacher, student, [term() for term in terms])
    compiled = torch.compile(copy.deepcopy(distiller), fullgraph=True, backend="eager")
    ours, theirs = distiller(*batch), compiled(*batch)
    for name, value in ours.raw.items():
        torch.testing.assert_close(theirs.raw[name], value)
    theirs.loss.backward()
    assert all(p.grad is not None for p in compiled.parameters())


def test_a_new_epoch_is_no_new_graph_for_the_compiler(teacher, student, batch):
    torch.compiler.reset()
    compiled = torch.compile(
        Distiller(teacher, student, [CrossEntropy(), Overhaul()]),
        backend=(graphs := CompileCounter()),
    )
    for epoch in (1, 2, 3):
        compiled(*batch, epoch).loss.backward()
    assert graphs.frame_count == 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile wants a C++ compiler")
@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_one_term_alone_has_its_gradient_when_compiled(weight):
    torch.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5))
    distiller = Distiller(None, student, [CrossEntropy(weight)])
    images, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    gradients = []
    for model in (distiller, torch.compile(distiller)):
        step = model(images, labels)
        student.zero_grad()
        step.loss.backward()
        gradients.append(student[1].weight.grad.clone())
        assert step.parts["ce"].item() == pytest.approx(step.loss.item())
    torch.testing.assert_close(*gradients)


def test_networks_of_other_families_pair_up():
    teacher, student = build_model("resnet18", 5), build_model("wrn_10_1", 5)
    (matched,) = Distiller(teacher, student, [Overhaul()], image_size=64).terms
    assert (matched.teacher_taps, matched.student_taps) == ([Tap("layer1.1.relu")], [Tap("relu")])
    pairs = {
        "teacher_taps": [Tap("layer1.1.relu"), Tap("layer4.1.relu")],
        "student_taps": [Tap("block1.layer.0.relu2"), Tap("relu")],
    }
    with pytest.raises(DistillError, match="strides 4 and 1"):
        Distiller(teacher, student, [Overhaul(**pairs)], image_size=64)
    pairs = {"teacher_taps": [Tap("layer1.1.relu")], "student_taps": [Tap("relu")]}
    distiller = Distiller(teacher, student, [CrossEntropy(), Overhaul(**pairs)], image_size=64)
    step = distiller(torch.zeros(2, 3, 64, 64), torch.tensor([0, 1]))
    assert step.loss.isfinite()


def test_two_distillers_of_one_teacher_keep_their_own_modes(teacher, student, batch):
    teachers = [Distiller(teacher, copy.deepcopy(student), every_term(), mode) for mode in MODES]
    for _ in range(2):
        values = [distiller(*batch).raw["kd"].item() for distiller in teachers]
        alone = [
            Distiller(copy.deepcopy(teacher), copy.deepcopy(student), every_term(), mode)
            for mode in MODES
        ]
        assert values == [distiller(*batch).raw["kd"].item() for distiller in alone]


def test_a_network_that_was_a_teacher_is_refused_until_it_is_thawed(teacher, student, batch):
    with pytest.raises(DistillError, match="one object"):
        Distiller(student, student, every_term())
    Distiller(student, teacher, every_term())
    with pytest.raises(DistillError, match=r"requires a gradient.*\n.*requires_grad_\(True\)"):
        Distiller(None, student, [CrossEntropy()])
    distiller = Distiller(None, student.requires_grad_(True), [CrossEntropy()])
    statistics = {k: v.clone() for k, v in student.state_dict().items() if "running_mean" in k}
    distiller(*batch)
    moved = [not torch.equal(student.state_dict()[k], v) for k, v in statistics.items()]
    assert moved and all(moved)


def test_another_distillers_state_does_not_bring_its_teachers_margins(teacher, student):
    other = copy.deepcopy(teacher)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    first = Distiller(teacher, copy.deepcopy(student), [Overhaul()])
    second = Distiller(other, student, [Overhaul()])
    own = [margin.clone() for margin in second.terms[0].margins]
    assert not torch.equal(own[0], first.terms[0].margins[0])
    with torch.no_grad():
        first.student.fc.weight.add_(1)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(own, second.terms[0].margins, strict=True))
    assert torch.equal(second.student.fc.weight, first.student.fc.weight)


def test_a_term_with_connectors_belongs_to_one_distiller(teacher, student):
    terms = every_term()
    Distiller(teacher, student, terms)
    with pytest.raises(DistillError, match="ofd is part of a Distiller already"):
        Distiller(teacher, student, terms)


def test_networks_in_double_give_a_loss_in_double(teacher, student, batch):
    distiller = Distiller(teacher.double(), student.double(), every_term()).double()
    step = distiller(batch[0].double(), batch[1])
    assert {value.dtype for value in step.raw.values()} == {torch.float64}


def test_margins_of_a_teacher_in_double_are_not_rounded(teacher, student):
    ofd = Overhaul()
    Distiller(teacher.double(), student.double(), [ofd])
    for tap, margin in zip(ofd.teacher_taps, ofd.margins, strict=True):
        norm = teacher.get_submodule(tap.batch_norm)
        assert torch.equal(margin, margin_from_batch_norm(norm.weight, norm.bias))


class Pair(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x), None


def test_outputs_and_images_that_do_not_fit_are_told(teacher, student):
    with pytest.raises(DistillError, match=r"Pair gives a tuple; expected logits"):
        Distiller(teacher, Pair(student), every_term())
    with pytest.raises(DistillError, match=r"(?s)AlexNet fails on two images of 32.*image_size="):
        Distiller(None, build_model("alexnet", 10), [CrossEntropy()])


def test_names_that_fit_counts_by_are_taken(student):
    term = CrossEntropy()
    term.name = "images"
    with pytest.raises(DistillError, match="'images'"):
        Distiller(None, student, [term])


def test_a_forward_of_the_users_leaves_nothing_in_the_distiller(teacher, student, batch):
    distiller = Distiller(teacher, student, every_term())
    distiller(*batch).loss.backward()
    student(batch[0])  # with its graph, which no deepcopy could follow
    copied = copy.deepcopy(student)
    assert torch.equal(copied.fc.weight, student.fc.weight)
    again = distiller(*batch)
    assert again.raw["ofd"] > 0
