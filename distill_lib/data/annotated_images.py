"""What sets of masks and sets of boxes share: classes, a limit, and what images are padded with."""

import hashlib
from collections.abc import Callable, Sequence

from torch.utils.data import Subset

from distill_lib.data.decoded_images import DecodedImages, Sample
from distill_lib.errors import DistillError


class AnnotatedImages(DecodedImages):
    """Decoded images with more than one label each.

    Args:
        name, train, test, transforms: as `DecodedImages` has them.
        classes: names of the K classes.
        image_size: height and width of a training batch's images, in pixels.
        digest: SHA-256 of the whole set.
        train_limit: train on the first ones only.
        options: further ones of `DecodedImages`.
    Raises:
        DistillError: `train_limit` does not fit.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        train: Sequence[Sample],
        test: Sequence[Sample],
        transforms: tuple[Callable, Callable],
        *,
        image_size: int,
        digest: str,
        train_limit: int | None = None,
        **options,
    ) -> None:
        self.classes = tuple(classes)
        self.num_classes = len(self.classes)
        self.image_size = image_size
        self.digest = digest
        if train_limit is not None:
            if not 1 <= train_limit <= len(train):
                raise DistillError(f"{name}: train_limit {train_limit} is not in 1..{len(train)}.")
            train = Subset(train, range(train_limit))
            self.digest = hashlib.sha256(f"{digest}, first {train_limit}".encode()).hexdigest()
        super().__init__(name, train, test, transforms, **options)


def mean_colour(augment) -> list[int]:
    """What images are padded with: about 0 once they are normalised."""
    return [round(value) for value in augment.mean]
