"""One OFD training step, WRN-28-4 to WRN-16-2: the authors' way, ours, and what is the least.

    python -m benchmarks.step [--batch 64] [--rounds 7] [--device cpu] [--compile]

Variants alternate in one process, since machines are noisy; medians of the rounds. The authors'
step is written plainly: float32, contiguous, the teacher in train mode with autograd on through
it, the tapped batch norms run a second time to read them, squares times a mask. The least that any
step costs is the teacher's forward alone plus the student's step alone.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib import CrossEntropy, Distiller, Overhaul, build_model, margin_from_batch_norm
from distill_lib.tables import markdown_table
from distill_lib.taps import Tap, module_at
from distill_lib.terms import connector
from distill_lib.training.precision import Precision, choose_device, choose_precision

TEACHER, STUDENT = "wrn_28_4", "wrn_16_2"
AUTHORS, COMPILED = "authors' step", "ours, compiled"
Step = Callable[[Tensor, Tensor], None]


def optimiser(parameters) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, weight_decay=5e-4, nesterov=True)


def tapped_norms(model: nn.Module, taps: list[Tap]) -> list[nn.Module]:
    return [module_at(model, tap.batch_norm) for tap in taps]


def keep_inputs(modules: list[nn.Module]) -> dict[int, Tensor]:
    """The input of each module's last call, by its place in the list."""
    inputs: dict[int, Tensor] = {}
    for i, module in enumerate(modules):
        module.register_forward_pre_hook(lambda _, args, i=i: inputs.update({i: args[0]}))
    return inputs


def authors_step(device: torch.device) -> Step:
    teacher, student = (build_model(name, 10).to(device) for name in (TEACHER, STUDENT))
    pairs = Distiller(build_model(TEACHER, 10), build_model(STUDENT, 10), [Overhaul()]).terms[0]
    connectors = nn.ModuleList(
        connector(s.channels, t.channels)
        for s, t in zip(pairs.student_taps, pairs.teacher_taps, strict=True)
    ).to(device)
    norms_t = tapped_norms(teacher, pairs.teacher_taps)
    norms_s = tapped_norms(student, pairs.student_taps)
    margins = [margin_from_batch_norm(n.weight, n.bias).view(1, -1, 1, 1) for n in norms_t]
    inputs_t, inputs_s = keep_inputs(norms_t), keep_inputs(norms_s)
    sgd = optimiser([*student.parameters(), *connectors.parameters()])
    teacher.train()

    def step(images: Tensor, labels: Tensor) -> None:
        teacher(images)
        logits = student(images)
        loss = F.cross_entropy(logits, labels)
        for i in range(len(connectors)):
            t, s = norms_t[i](inputs_t[i]), connectors[i](norms_s[i](inputs_s[i]))
            t = torch.max(t.detach(), margins[i])
            squares = F.mse_loss(s, t, reduction="none")
            squares = squares * ((s > t) | (t > 0)).float()
            loss = loss + squares.sum() / 2 ** (2 - i) / len(labels) / 1000
        sgd.zero_grad()
        loss.backward()
        sgd.step()

    return step


def our_step(
    device: torch.device,
    precision: Precision,
    *,
    compiled: bool = False,
    pair: tuple[str, str] = (TEACHER, STUDENT),
    image_size: int = 32,
) -> Step:
    teacher, student = (build_model(name, 10) for name in pair)
    terms = [CrossEntropy(), Overhaul()]
    distiller = Distiller(teacher, student, terms, image_size=image_size)
    distiller.to(device, memory_format=torch.channels_last)
    sgd = optimiser(distiller.parameters())
    model = torch.compile(distiller) if compiled else distiller

    def step(images: Tensor, labels: Tensor) -> None:
        with precision.autocast():
            loss = model(images, labels).loss
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()

    return step


def teacher_alone(device: torch.device, precision: Precision) -> Step:
    teacher = build_model(TEACHER, 10).to(device, memory_format=torch.channels_last).eval()
    teacher.requires_grad_(False)

    def step(images: Tensor, labels: Tensor) -> None:
        with torch.no_grad(), precision.autocast():
            teacher(images)

    return step


def student_alone(device: torch.device, precision: Precision) -> Step:
    student = build_model(STUDENT, 10).to(device, memory_format=torch.channels_last)
    sgd = optimiser(student.parameters())

    def step(images: Tensor, labels: Tensor) -> None:
        with precision.autocast():
            logits = student(images)
        loss = F.cross_entropy(logits.float(), labels)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()

    return step


def median_seconds(
    variants: dict[str, Step], images: Tensor, labels: Tensor, rounds: int
) -> dict[str, float]:
    """Seconds of each variant's step: every round runs each of them once, the first is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, step in variants.items():
            fast = images if name == AUTHORS else channels_last(images)
            synchronise(images.device)
            start = time.perf_counter()
            step(fast, labels)
            synchronise(images.device)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true", help="ours through torch.compile as well")
    options = parser.parse_args()
    device = choose_device(options.device)
    best = choose_precision(device)
    precisions = [choose_precision(device, "float32")]
    if best.name == "bf16":
        precisions.append(best)
    torch.manual_seed(0)
    images = torch.randn(options.batch, 3, 32, 32, device=device)
    labels = torch.randint(10, (options.batch,), device=device)
    variants = {AUTHORS: authors_step(device)}
    for precision in precisions:
        variants |= {
            f"ours, {precision.name}": our_step(device, precision),
            f"teacher's forward alone, {precision.name}": teacher_alone(device, precision),
            f"student's step alone, {precision.name}": student_alone(device, precision),
        }
    if options.compile:
        variants[COMPILED] = our_step(device, best, compiled=True)
    seconds = median_seconds(variants, images, labels, options.rounds)
    rows = [[name, f"{options.batch / s:,.0f}", f"{1000 * s:,.0f}"] for name, s in seconds.items()]
    print(markdown_table((f"{TEACHER} to {STUDENT}", "images/s", "ms"), rows))
    for precision in precisions:
        ours = seconds[f"ours, {precision.name}"]
        least = sum(
            seconds[f"{part} alone, {precision.name}"]
            for part in ("teacher's forward", "student's step")
        )
        print(
            f"{precision.name}: {seconds[AUTHORS] / ours:.2f} times the authors' speed; "
            f"{ours / least:.2f} times the least"
        )
    if options.compile:
        gain = seconds[f"ours, {best.name}"] / seconds[COMPILED]
        print(f"compiled, {best.name}: {gain:.2f} times the speed without")


if __name__ == "__main__":
    main()
