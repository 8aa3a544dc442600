"""What is seen of a run while it trains."""

import torch

from distill_lib.tasks import TASKS
from distill_lib.training.progress import Progress, epoch_line


def test_a_log_file_is_not_filled_with_bars(capsys):
    bar = Progress(1000, "ofd 1/8")
    for _ in range(1000):
        bar.step(128, {"ce": torch.tensor(1.0)})
    bar.close()
    assert 0 < capsys.readouterr().err.count("ofd 1/8") < 5


def test_an_epoch_is_one_line():
    epoch = {"top1": 71.2, "top5": 97.1, "seconds": 1200.2, "evaluation_seconds": 12.9}
    epoch["train"] = {"ce": 0.8121, "ofd": 1.23, "sum": 2.0421}
    assert epoch_line(epoch, "ofd 3/8", TASKS["classification"]) == (
        "ofd 3/8: top-1 71.20 %, top-5 97.10 %; ce 0.812, ofd 1.230; 1,213 s"
    )
