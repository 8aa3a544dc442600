"""What takes the place of cross entropy where a network answers for pixels or boxes."""

from torch import Tensor

from distill_lib.losses import multibox_loss, pixel_cross_entropy
from distill_lib.terms.term import Outputs, Term


class PixelCrossEntropy(Term):
    """Cross entropy with the labels of all pixels: `losses.pixel_cross_entropy`.

    Of several processes each takes the mean over its own pixels.
    """

    name = "pixel_ce"
    needs_teacher = False
    task = "segmentation"

    def forward(self, student: Outputs, teacher: Outputs | None, labels: Tensor) -> Tensor:
        return pixel_cross_entropy(student.logits, labels)


class MultiBox(Term):
    """A single-shot detector's loss with the true boxes: `losses.multibox_loss`.

    Of several processes each divides by the number of its own matched anchors.
    """

    name = "multibox"
    needs_teacher = False
    task = "detection"

    def forward(self, student: Outputs, teacher: Outputs | None, labels: list[dict]) -> Tensor:
        return multibox_loss(student.logits, labels)
