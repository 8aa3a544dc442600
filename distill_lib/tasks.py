"""What a network is trained for: which metrics it is measured by. All else is one road."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A task and its metrics.

    Attributes:
        name: what a data set calls it.
        metrics: key of a run's epochs -> label; per cent, larger is better. The best epoch goes by
            the first.
    """

    name: str
    metrics: dict[str, str]

    @property
    def metric(self) -> str:
        """The first metric's key."""
        return next(iter(self.metrics))


TASKS = {
    task.name: task
    for task in (
        Task("classification", {"top1": "top-1", "top5": "top-5"}),
        Task("segmentation", {"miou": "mIoU"}),
        Task("detection", {"map50": "mAP@0.5"}),
    )
}
