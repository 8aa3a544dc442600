"""Relational KD: how the samples of a batch lie to each other (RKD; Park et al., CVPR 2019).

Differs from the authors' code: lengths come from differences, not from x² + y² - 2xy, which cancels
for features far from the origin; identical samples and a batch of one give 0 and no NaN. The mean
distance is over all pairs of different samples, as the paper has it; theirs leaves out zeros.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from distill_lib.errors import FeatureError
from distill_lib.losses._shapes import at_least_float32, spatial_mean

DISTANCE_WEIGHT, ANGLE_WEIGHT = 25.0, 50.0
"""The paper's weights of RKD-DA for classification."""


def rkd_loss(
    student_features: Tensor,
    teacher_features: Tensor,
    *,
    distance: float = DISTANCE_WEIGHT,
    angle: float = ANGLE_WEIGHT,
) -> Tensor:
    """Both relations of the embeddings, the spatial means of one tap: RKD-DA.

    Args:
        student_features: (N, C_s, H, W), or embeddings (N, C_s).
        teacher_features: (N, C_t, H', W'), or embeddings (N, C_t); channels may differ.
        distance, angle: weights of the two.
    Returns:
        scalar.
    Raises:
        FeatureError: the batches differ.
    """
    student, teacher = spatial_mean(student_features), spatial_mean(teacher_features)
    return distance * rkd_distance_loss(student, teacher) + angle * rkd_angle_loss(student, teacher)


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss between distances of all pairs, in units of their mean: RKD-D.

    Args:
        student: embeddings, (N, D_s).
        teacher: embeddings, (N, D_t).
    Returns:
        scalar, the mean over all N² ordered pairs.
    Raises:
        FeatureError: these are no embeddings of one batch.
    """
    _check_embeddings(student, teacher)
    return F.huber_loss(_relative_distances(student), _relative_distances(teacher.detach()))


def rkd_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss between cosines of the angles of all triplets: RKD-A.

    Needs memory for N²·D and N³ numbers.

    Args:
        student: embeddings, (N, D_s).
        teacher: embeddings, (N, D_t).
    Returns:
        scalar, the mean over all N³ ordered triplets.
    Raises:
        FeatureError: these are no embeddings of one batch.
    """
    _check_embeddings(student, teacher)
    return F.huber_loss(_cosines(student), _cosines(teacher.detach()))


def _relative_distances(embeddings: Tensor) -> Tensor:
    """Distances divided by the mean over pairs of different samples, (N, N)."""
    distances = torch.linalg.vector_norm(_differences(embeddings), dim=2)
    batch = len(embeddings)
    mean = distances.sum() / max(batch * (batch - 1), 1)
    return distances / mean.where(mean > 0, 1.0)


def _cosines(embeddings: Tensor) -> Tensor:
    """Cosine of the angle at sample j between samples i and k, (N, N, N) in the order j, i, k."""
    differences = _differences(embeddings)
    lengths = torch.linalg.vector_norm(differences, dim=2, keepdim=True)
    identical = lengths == 0
    # Between identical samples there is no direction: 0, and no gradient.
    directions = (differences / lengths.masked_fill(identical, 1.0)).masked_fill(identical, 0.0)
    with torch.autocast(directions.device.type, enabled=False):  # it would multiply in half
        return directions @ directions.transpose(1, 2)


def _differences(embeddings: Tensor) -> Tensor:
    """(N, D) -> (N, N, D)."""
    embeddings = at_least_float32(embeddings)
    return embeddings[:, None] - embeddings[None]


def _check_embeddings(student: Tensor, teacher: Tensor) -> None:
    if student.dim() != 2 or teacher.dim() != 2 or len(student) != len(teacher):
        raise FeatureError(
            f"student embeddings {tuple(student.shape)} and teacher embeddings "
            f"{tuple(teacher.shape)}: expected (N, D_s) and (N, D_t) of one batch.\n"
            "  Of features (N, C, H, W) rkd_loss takes the spatial means."
        )
