"""Accuracy of a network on the test images of a data set."""

import torch
import torch.nn.functional as F
from torch import nn

from distill_lib.data import ImageData
from distill_lib.training import distributed
from distill_lib.training.precision import Precision, choose_precision


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    data: ImageData,
    *,
    precision: Precision | None = None,
    batch_size: int = 500,
) -> dict[str, float]:
    """Top-1, top-5 and mean cross entropy on the test images.

    With several processes each takes its share, and all get the same result.

    Args:
        model: from images (N, 3, H, W) to logits (N, K); left in the mode it was in.
        data: on the device of the model.
        precision: the number format; the device's own choice if not given.
    Returns:
        top1 and top5 in per cent, loss in nats, images.
    """
    from torchmetrics.classification import MulticlassAccuracy

    device = next(model.parameters()).device
    precision = precision or choose_precision(device)
    # "micro" is the papers' accuracy; torchmetrics would average over classes by default.
    top = {
        k: MulticlassAccuracy(
            data.num_classes, top_k=min(k, data.num_classes), average="micro", validate_args=False
        ).to(device)
        for k in (1, 5)
    }
    totals = torch.zeros(2, dtype=torch.float64, device="cpu")
    was_training = model.training
    model.eval()
    for batch in data.test_batches(
        batch_size=batch_size, rank=distributed.rank(), world_size=distributed.world_size()
    ):
        with precision.autocast():
            logits = model(batch.images)
        logits = logits.float()
        for metric in top.values():
            metric.update(logits, batch.labels)
        loss = F.cross_entropy(logits, batch.labels, reduction="sum").double().cpu()
        totals += torch.stack([loss, torch.tensor(float(len(batch.labels)), dtype=torch.float64)])
    model.train(was_training)
    if distributed.is_distributed():
        totals = distributed.sum_over_ranks(totals.to(device, torch.float32)).double().cpu()
    loss, images = totals.tolist()
    return {
        "top1": round(100 * top[1].compute().item(), 4),
        "top5": round(100 * top[5].compute().item(), 4),
        "loss": loss / images,
        "images": int(images),
    }
