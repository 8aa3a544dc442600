"""Bad input is refused before training; evaluation and learning rates are what they say."""

import dataclasses
import errno
import json
import os
from functools import partial

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from distill_lib import build_model, evaluate, fit, get_recipe, paths
from distill_lib.data import Augment, SmallImages, load_data
from distill_lib.distiller import Step
from distill_lib.errors import CheckpointError, DistillError, DivergedError, RecipeMismatchError
from distill_lib.publish import publish
from distill_lib.recipes import CE, OFD, Optim
from distill_lib.records import RunRecord, finished_run, load_record
from distill_lib.training.build import build, load_distiller
from distill_lib.training.guard import EVERY, FiniteGuard
from distill_lib.training.optimizer import learning_rate
from distill_lib.training.precision import choose_device, choose_precision
from distill_lib.training.trained_networks import load_student, load_teacher, trained_network

from .helpers import (
    NUM_TEST,
    run_tiny,
    tiny_data,
    tiny_net,
    tiny_recipe,
    tiny_teacher,
    watched_data,
)

FLOAT32 = choose_precision(torch.device("cpu"), "float32")


def refused(match, tmp_path, **parts):
    with pytest.raises(DistillError, match=match):
        fit(tiny_recipe(), data=tiny_data(), out=tmp_path / "run", device="cpu", **parts)
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_was_never_trained(tmp_path):
    parts = {"teacher": tiny_net(8, seed=0), "student": tiny_net(4, seed=0)}
    refused("no trained weights", tmp_path, **parts)
    parts |= {"data": tiny_data(), "out": tmp_path / "run", "device": "cpu"}
    record = fit(tiny_recipe(epochs=1), untrained_teacher=True, **parts)
    assert record.status == "finished"


def test_class_counts_that_differ(tmp_path):
    student = tiny_net(4, seed=0)
    student[-1] = torch.nn.Linear(8, 7)
    refused("4 classes.*student.*7", tmp_path, teacher=tiny_teacher(), student=student)
    both = tiny_teacher()
    both[-1] = torch.nn.Linear(16, 7)
    refused("data set 'tiny' has 4", tmp_path, teacher=both, student=student)


def test_images_of_another_size(tmp_path):
    recipe = dataclasses.replace(tiny_recipe("plain"), image_size=32)
    with pytest.raises(DistillError, match="images of 16 pixels, the recipe says 32"):
        fit(recipe, data=tiny_data(), student=tiny_net(4, seed=0), out=tmp_path, device="cpu")


def test_a_teacher_recipe_without_a_run_prints_the_command(monkeypatch, tmp_path):
    for name in ("runs_dir", "results_dir"):
        monkeypatch.setattr(paths, name, lambda: tmp_path)
    recipe = get_recipe("ofd-cifar10-wrn28_4-wrn16_2", "laptop")
    with pytest.raises(DistillError, match="train plain-cifar10-wrn28_4 --budget laptop"):
        load_teacher(recipe, 10)


@pytest.mark.parametrize(
    ("teacher", "match"),
    [
        ("wrn_16_2", "--untrained-teacher"),
        ("plain-fashon-wrn16_2", "Nearest: plain-fashion-wrn16_2"),
        ("weights:ResNet18_Weights.NOPE", "torchvision weights"),
        (None, "names none"),
    ],
)
def test_teachers_that_are_not_there(teacher, match):
    recipe = dataclasses.replace(get_recipe("ofd-fashion-wrn16_2-wrn10_1"), teacher=teacher)
    with pytest.raises(DistillError, match=match):
        load_teacher(recipe, 10)


def test_weights_of_another_task_are_told():
    with pytest.raises(DistillError, match="not of a network that classifies images"):
        trained_network("weights:FCN_ResNet50_Weights.DEFAULT")


def test_published_weights_that_were_changed_are_refused(tmp_path):
    made_by = {"student": "wrn_10_1", "net": build_model("wrn_10_1", 4), "epochs": 1}
    record = run_tiny(tmp_path / "run", "plain", **made_by)
    shipped = publish(record, tmp_path / "shipped", weights=True)
    file = shipped.path / "last.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DistillError, match="damaged or was replaced"):
        load_record(shipped.path).load_weights()
    recipe = tiny_recipe(teacher=str(shipped.path))
    images = watched_data()
    with pytest.raises(DistillError, match="damaged or was replaced"):
        fit(recipe, student=tiny_net(4, seed=3), data=images, out=tmp_path / "new", device="cpu")
    assert images.seen == [] and not (tmp_path / "new").exists()


def test_images_on_another_device_are_refused_and_auto_follows_them(tmp_path):
    with pytest.raises(DistillError, match=r"(?s)'tiny' is on cpu, .* on meta.*device='cpu'"):
        build(tiny_recipe("plain"), data=tiny_data(), student=tiny_net(4, seed=0), device="meta")
    record = fit(
        tiny_recipe("plain", epochs=1),
        data=tiny_data(),
        student=tiny_net(4, seed=0),
        out=tmp_path,
    )
    assert record.environment["device"] == "cpu"


def run_plain(out, *, compile):
    return fit(
        tiny_recipe("plain", epochs=1),
        data=tiny_data(),
        student=tiny_net(4, seed=0),
        out=out,
        device="cpu",
        compile=compile,
    )


def test_a_compiled_run_trains_the_same_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    ours, compiled = (run_plain(tmp_path / str(value), compile=value) for value in (False, True))
    assert compiled.last["train"] == pytest.approx(ours.last["train"])
    assert (ours.environment["compiled"], compiled.environment["compiled"]) == (False, True)


def test_a_run_is_compiled_however_many_came_before_it(tmp_path, monkeypatch):
    torch.compiler.reset()
    real, graphs = torch.compile, []

    def counted(model):
        graphs.append(CompileCounter())
        return real(model, backend=graphs[-1])

    monkeypatch.setattr(torch, "compile", counted)
    for number in range(10):
        run_plain(tmp_path / str(number), compile=True)
    assert all(counter.frame_count for counter in graphs)


def test_the_shipped_teacher_loads_and_is_as_good_as_its_record():
    record = load_record(paths.ROOT / "results" / "plain-fashion-wrn16_2" / "laptop" / "0")
    metrics = evaluate(load_student(record), load_data("fashion"))
    assert metrics["top1"] == pytest.approx(record.last["top1"], abs=0.5)
    assert (record.path / "last.safetensors").stat().st_size < 2_000_000


def test_evaluate_counts_what_is_right():
    data, model = tiny_data(), tiny_teacher().train()
    metrics = evaluate(model, data, precision=FLOAT32)
    assert model.training
    batch = next(data.test_batches(batch_size=NUM_TEST))
    with torch.no_grad():
        logits = model.eval()(batch.images)
    right = (logits.argmax(1) == batch.labels).float().mean().item()
    assert metrics["top1"] == pytest.approx(100 * right, abs=1e-3)
    assert metrics["top5"] == 100 and metrics["images"] == NUM_TEST
    expected = torch.nn.functional.cross_entropy(logits, batch.labels).item()
    assert metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_top5_counts_what_is_among_the_first_five():
    generator = torch.Generator().manual_seed(4)
    images = torch.randint(0, 256, (37, 3, 16, 16), generator=generator, dtype=torch.uint8)
    split = images, torch.arange(37) % 9
    plain = Augment(mean=(128.0,) * 3, std=(64.0,) * 3, padding=0)
    data = SmallImages("nine", [str(k) for k in range(9)], train=split, test=split, augment=plain)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 9))
    metrics = evaluate(model, data, batch_size=10, precision=FLOAT32)
    with torch.no_grad():
        logits = model(next(data.test_batches(batch_size=37)).images)
    # Counted by rank: how many classes have a larger logit than the right one.
    own = logits.gather(1, split[1][:, None])
    rank = (logits > own).sum(1)
    assert metrics["top1"] == pytest.approx(100 * (rank < 1).float().mean().item(), abs=1e-3)
    assert metrics["top5"] == pytest.approx(100 * (rank < 5).float().mean().item(), abs=1e-3)
    again = evaluate(model.eval(), data, precision=FLOAT32)
    assert again == pytest.approx(metrics) and not model.training


def test_milestones_scale_with_the_budget():
    optim = Optim(lr=0.1, milestones=(100, 150), milestones_of=200)

    def rates(epochs):
        return [learning_rate(optim, e, 0, epochs=epochs, steps=10) for e in range(1, epochs + 1)]

    long, short = rates(200), rates(8)
    assert [long[i] for i in (99, 100, 149, 150)] == pytest.approx([0.1, 0.01, 0.01, 0.001])
    assert short == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)
    assert rates(600)[300] == pytest.approx(0.01)  # the authors' `is` fails above 256


def test_one_cycle_rises_to_its_peak_and_ends_near_zero():
    optim = Optim(lr=0.4, schedule="one_cycle", peak_at=0.25)
    rates = [learning_rate(optim, 1, step, epochs=10, steps=10) for step in range(100)]
    assert max(rates) == pytest.approx(0.4, rel=0.02) and rates.index(max(rates)) in (24, 25)
    assert 0 < rates[-1] < 0.001 and 0 < rates[0] < 0.02


def test_precisions_that_do_not_train_are_refused():
    with pytest.raises(DistillError, match="fp16 does not train on cpu"):
        choose_precision(torch.device("cpu"), "fp16")
    with pytest.raises(DistillError, match="expected one of auto"):
        choose_precision(torch.device("cpu"), "int4")
    with pytest.raises(DistillError, match="bf16 does not train on mps; expected float32.$"):
        choose_precision(torch.device("mps"), "bf16")
    with pytest.raises(DistillError, match="unknown device"):
        choose_device("gpu")


def test_on_an_accelerator_the_flags_are_read_now_and_then():
    guard = FiniteGuard(torch.device("meta"))

    def step(value):
        parts = {"ce": torch.tensor(1.0), "ofd": torch.tensor(value)}
        return Step(sum(parts.values()), parts, parts, torch.zeros(1))

    guard.watch(1, 0, torch.tensor([0]), step(1.0))
    guard.check()
    guard.watch(1, 1, torch.tensor([7]), step(float("inf")))
    with pytest.raises(DivergedError, match="step 1: term 'ofd'"):
        for i in range(2, EVERY + 1):
            guard.watch(1, i, torch.tensor([0]), step(1.0))
    guard.watch(2, EVERY, torch.tensor([7]), step(float("nan")))
    with pytest.raises(DivergedError, match=f"epoch 2, step {EVERY}: term 'ofd'"):
        guard.before_checkpoint(torch.nn.Linear(1, 1), 2, EVERY)


def test_the_teacher_is_what_it_was_after_training(tmp_path):
    teacher = tiny_teacher()
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    for mode in ("eval", "train"):
        recipe = tiny_recipe(teacher_mode=mode, epochs=1)
        fit(
            recipe,
            teacher=teacher,
            student=tiny_net(4, seed=0),
            data=tiny_data(),
            out=tmp_path / mode,
            device="cpu",
        )
        assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


def test_weights_files_of_others_load_strictly(tmp_path):
    model = build_model("wrn_10_1", 10)
    file = tmp_path / "theirs.pt"
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, file)
    recipe = dataclasses.replace(
        get_recipe("ofd-fashion-wrn16_2-wrn10_1"), teacher=str(file), teacher_model="wrn_10_1"
    )
    teacher, run = load_teacher(recipe, 10)
    assert run is None and torch.equal(teacher.fc.weight, model.fc.weight)
    with pytest.raises(DistillError, match="does not fit WideResNet"):
        load_teacher(dataclasses.replace(recipe, teacher_model="wrn_16_1"), 10)
    with pytest.raises(DistillError, match="--teacher-model"):
        load_teacher(dataclasses.replace(recipe, teacher_model=None), 10)


class Twice(torch.nn.Module):
    """One module under two names."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 3, 1)
        self.second = self.first
        self.net = tiny_net(4, seed=0)

    def forward(self, x):
        return self.net(self.second(self.first(x)))


def test_a_module_under_two_names_is_saved(tmp_path):
    parts = {"data": tiny_data(), "out": tmp_path, "device": "cpu"}
    record = fit(tiny_recipe("plain", epochs=1), student=Twice(), **parts)
    fresh = Twice()
    fresh.load_state_dict(load_record(tmp_path).load_weights())
    assert torch.equal(fresh.first.weight, record.distiller.student.second.weight)


def test_a_finished_run_of_own_networks_has_its_networks_and_tells_of_others(tmp_path, capsys):
    teacher, parts = tiny_teacher(), {"data": tiny_data(), "out": tmp_path, "device": "cpu"}
    recipe = tiny_recipe(epochs=1)
    first = fit(recipe, teacher=teacher, student=tiny_net(4, seed=0), **parts)
    trained = {k: v.clone() for k, v in first.distiller.state_dict().items()}
    capsys.readouterr()
    for seed, said in ((0, ""), (1, "began from other weights")):
        again = fit(recipe, teacher=teacher, student=tiny_net(4, seed=seed), **parts)
        assert again.last == first.last and said in capsys.readouterr().out
        for key, value in again.distiller.state_dict().items():
            assert torch.equal(value, trained[key]), key
    own = {"teacher": teacher, "student": tiny_net(4, seed=2), "data": parts["data"]}
    loaded = load_distiller(first, **own)
    assert torch.equal(loaded.student[0].weight, trained["student.0.weight"])
    other = tiny_net(4, seed=0)
    other[2] = torch.nn.LeakyReLU()
    with pytest.raises(RecipeMismatchError, match="student_modules"):
        fit(recipe, teacher=teacher, student=other, **parts)


def test_a_run_is_not_brought_back_with_another_teacher(tmp_path):
    parts = {"data": tiny_data(), "student": tiny_net(4, seed=0)}
    run = fit(tiny_recipe(epochs=1), teacher=tiny_teacher(), out=tmp_path, device="cpu", **parts)
    other = tiny_teacher()
    with torch.no_grad():
        other[0].weight.mul_(2)
    parts["student"] = tiny_net(4, seed=0)
    with pytest.raises(CheckpointError, match="taught by other weights"):
        load_distiller(run, teacher=other, **parts)


def test_a_run_with_changed_settings_is_no_recipes_run(own_folders):
    settings = {"train_limit": 50, "batch_size": 25, "budget": "smoke", "epochs": 1}
    recipe = get_recipe("plain-fashion-wrn10_1", "smoke")
    fit(dataclasses.replace(recipe, **settings), progress=False)
    assert finished_run(recipe.name) is None
    fit(recipe, progress=False)
    assert finished_run(recipe.name).summary["train_images"] == 500


def test_a_last_batch_of_one_is_refused_where_it_cannot_be_trained_on(tmp_path):
    deep = tiny_net(4, seed=0)
    deep.insert(6, torch.nn.BatchNorm2d(8))
    deep.insert(6, torch.nn.AdaptiveAvgPool2d(1))
    recipe = dataclasses.replace(tiny_recipe("plain"), batch_size=17)
    parts = {"data": tiny_data(), "out": tmp_path / "run", "device": "cpu"}
    with pytest.raises(DistillError, match=r"(?s)52 training images.*batch of one.*size 16"):
        fit(recipe, student=deep, **parts)
    assert not (tmp_path / "run").exists()
    assert fit(recipe, student=tiny_net(4, seed=0), **parts).status == "finished"


@pytest.mark.parametrize(
    ("optim", "match"),
    [
        (Optim(momentum=0.0), "momentum is 0.0; expected above 0 with nesterov"),
        (Optim(weight_decay=-1.0), "weight_decay is -1.0"),
        (Optim(lr=float("nan")), "lr is nan"),
        (Optim(lr=float("inf")), "lr is inf"),
        (Optim(gamma=float("nan")), "gamma is nan"),
        (Optim(milestones_of=0), "milestones_of is 0; expected above 0"),
        (Optim(peak_at=1.0), "peak_at is 1.0"),
        (Optim(lr_factors=(("terms", -1.0),)), "factor of terms is -1.0"),
    ],
)
def test_numbers_that_no_optimizer_takes(optim, match):
    with pytest.raises(DistillError, match=match):
        tiny_recipe(optim=optim)


@pytest.mark.parametrize(
    ("term", "match"),
    [
        (OFD(weight=float("nan")), "ofd's weight is nan"),
        (OFD(weight=-1.0), "ofd's weight is -1.0; expected 0 or more"),
        (OFD(divisors=(2.0, 0.0)), "ofd's divisor is 0.0; expected above 0"),
    ],
)
def test_numbers_that_no_term_takes(term, match):
    with pytest.raises(DistillError, match=match):
        tiny_recipe(terms=(CE(), term))


def test_a_seed_has_64_bits():
    with pytest.raises(DistillError, match="seed is 18446744073709551616; expected a number of 64"):
        tiny_recipe(seed=2**64)


def test_a_record_holds_null_where_json_has_no_number(tmp_path):
    record = run_tiny(tmp_path / "run", "plain", epochs=1)
    record.epochs[-1]["loss"] = float("nan")
    record.save()
    assert load_record(record.path).last["loss"] is None
    assert "NaN" not in (record.path / "metrics.jsonl").read_text()


@pytest.mark.parametrize("damage", ["[1, 2]", "null", "summary", "recipe", "epochs"])
def test_damaged_records_are_told(tmp_path, damage):
    record = run_tiny(tmp_path / "run", "plain", epochs=1)
    file = record.path / "run.json"
    if damage == "epochs":
        (record.path / "metrics.jsonl").write_text("")
    elif damage in ("summary", "recipe"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {damage: {}}))
    else:
        file.write_text(damage)
    with pytest.raises(DistillError, match="damaged record"):
        load_record(record.path)


def test_a_run_is_published_under_its_recipe_wherever_it_was_made(own_folders, tmp_path):
    recipe = get_recipe("plain-fashion-wrn10_1", "smoke")
    record = fit(recipe, out=tmp_path / "elsewhere", progress=False)
    shipped = publish(record)
    assert shipped.path == paths.results_dir() / recipe.name / "smoke" / "0"
    with pytest.raises(DistillError, match="published already"):
        publish(shipped)


def test_what_was_published_before_goes_with_its_record(tmp_path):
    record = run_tiny(tmp_path / "run", "plain", epochs=1)
    shipped = tmp_path / "results"
    (record.path / "cka.json").write_text("{}")
    publish(record, shipped, weights=True)
    files = {"run.json", "metrics.jsonl"}
    assert {file.name for file in shipped.iterdir()} == files | {"cka.json", "last.safetensors"}
    (record.path / "cka.json").unlink()
    publish(record, shipped)
    assert {file.name for file in shipped.iterdir()} == files


def test_a_full_disk_leaves_what_was_published_before(tmp_path, monkeypatch):
    record = run_tiny(tmp_path / "run", "plain", epochs=1)
    shipped = publish(record, tmp_path / "results", weights=True)
    before = {file.name: file.read_bytes() for file in shipped.path.iterdir()}
    state = {name: value + 1 for name, value in record.load_weights().items()}
    record.save_weights("last", state)

    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunRecord, "save", full)
    with pytest.raises(DistillError, match="disk full"):
        publish(record, shipped.path, weights=True)
    assert {file.name: file.read_bytes() for file in shipped.path.iterdir()} == before


def test_published_weights_are_finite_and_none_is_too_small_for_half_precision(tmp_path):
    record = run_tiny(tmp_path / "run", "plain", epochs=1)
    state = record.load_weights()
    state["1.running_var"].fill_(1e5)
    state["4.running_var"].fill_(1e-9)
    state["0.weight"].view(-1)[0] = 1e-9  # one that becomes 0 beside larger ones costs nothing
    record.save_weights("last", state)
    shipped = publish(record, tmp_path / "results", weights=True).load_weights()
    for name in ("1.running_var", "4.running_var"):
        assert torch.equal(shipped[name], state[name])
    assert torch.equal(shipped["0.weight"], state["0.weight"].half().float())
