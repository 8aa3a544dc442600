"""OFD training steps on a CPU, with freed memory given back to the system and with it kept.

    python -m benchmarks.heap [--rounds 7]

Both ways alternate in one process, since machines are noisy; medians of the rounds. Every timed
step comes after an untimed one of its own way. Where the C library is not glibc, which most Linux
systems have, there is nothing to compare.
"""

import argparse
import statistics
import time

import torch

from benchmarks.step import channels_last, our_step
from distill_lib.tables import markdown_table
from distill_lib.training.heap import has_glibc, keep_freed_memory, set_heap
from distill_lib.training.precision import choose_precision

PAIRS = (
    ("wrn_16_2", "wrn_10_1", 128, 32),
    ("wrn_28_4", "wrn_16_2", 64, 32),
    ("resnet34", "resnet18", 64, 64),
)
"""Teacher, student, batch size, pixels."""


def give_back() -> None:
    """As glibc starts, but for the threshold that it moves by itself."""
    set_heap(outside=65536, trim=128 * 1024)


def seconds(pair: tuple[str, str], batch: int, size: int, rounds: int) -> list[float]:
    """Median seconds of a step: freed memory given back, and kept."""
    cpu = torch.device("cpu")
    step = our_step(cpu, choose_precision(cpu), pair=pair, image_size=size)
    images = channels_last(torch.randn(batch, 3, size, size))
    labels = torch.randint(10, (batch,))
    found = {give_back: [], keep_freed_memory: []}
    for _ in range(rounds):
        for setting, times in found.items():
            setting()
            step(images, labels)
            start = time.perf_counter()
            step(images, labels)
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in found.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    if not has_glibc():
        print("nothing to compare: fit keeps freed memory with glibc alone, which is not here")
        return
    torch.manual_seed(0)
    rows = []
    for teacher, student, batch, size in PAIRS:
        given, kept = seconds((teacher, student), batch, size, rounds)
        pair = f"{teacher} to {student}, {batch} images of {size} pixels"
        rows.append([pair, f"{1000 * given:,.0f}", f"{1000 * kept:,.0f}", f"{given / kept:.2f}"])
    print(markdown_table(("pair", "given back (ms)", "kept (ms)", "times as fast"), rows))


if __name__ == "__main__":
    main()
