"""Teacher + student + terms = one forward that gives the loss and its parts.

Differs from the authors' code: the teacher runs once, without a graph, and nothing of it moves;
theirs keeps a graph through it and lets its running statistics drift in train mode.
Proved by the golden keys `ofd/` and `ofd_trajectory/`. Explained in notebooks/06_overhaul.ipynb.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from distill_lib.errors import DistillError
from distill_lib.modes import evaluation_mode
from distill_lib.pairs_table import pairs_table
from distill_lib.taps import BATCH_NORMS, TapReader, unwrap
from distill_lib.terms import FeatureTerm, Outputs, Overhaul, Term

TeacherMode = Literal["eval", "train"]


BY_DIMENSIONS = {2: "classification", 4: "segmentation"}
"""Dimensions of the logits -> the task that a network is for."""


class Step(NamedTuple):
    """What one forward gives: the loss, its terms before and after their weights, logits (N, K).

    `weighted` and `values` hang on the graph; `parts` and `raw` are the same, detached when asked
    for: a compiled graph that gives out a number twice, once detached, gives it out detached both
    times (torch 2.14).
    """

    loss: Tensor
    weighted: dict[str, Tensor]
    values: dict[str, Tensor]
    logits: Tensor

    @property
    def parts(self) -> dict[str, Tensor]:
        """Each term by name, after its weight, detached."""
        return {name: value.detach() for name, value in self.weighted.items()}

    @property
    def raw(self) -> dict[str, Tensor]:
        """Each term by name, before its weight, detached."""
        return {name: value.detach() for name, value in self.values.items()}


@torch.no_grad()
def task_and_classes(model: nn.Module, image_size: int) -> tuple[str, int]:
    """What a network is for, and K, by one dry forward in evaluation mode.

    Logits (N, K) are classification, (N, K, H, W) segmentation; a detector's output says K as its
    `num_classes`. The network is left in the mode it was in.

    Raises:
        DistillError: the network refuses such images, or gives neither of the two.
    """
    like = next(model.parameters())
    images = torch.zeros(2, 3, image_size, image_size, device=like.device, dtype=like.dtype)
    try:
        with evaluation_mode(model):
            output = model(images)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise DistillError(
            f"{type(model).__name__} fails on two images of {image_size} pixels: {error}\n"
            "  If they are too small for it, say image_size=..."
        ) from error
    if isinstance(output, Tensor) and output.dim() in BY_DIMENSIONS:
        return BY_DIMENSIONS[output.dim()], output.shape[1]
    if hasattr(output, "num_classes"):
        return "detection", output.num_classes
    shape = f" {tuple(output.shape)}" if isinstance(output, Tensor) else ""
    raise DistillError(
        f"{type(model).__name__} gives a {type(output).__name__}{shape}; expected logits (N, K), "
        "(N, K, H, W), or an output that says its num_classes.\n"
        "  Wrap it in a module that gives the logits alone."
    )


class Distiller(nn.Module):
    """A frozen teacher, a student, and the terms between them.

    The Distiller is what is trained, saved, compiled or wrapped by DDP; `state_dict()` holds
    student and connectors and leaves the teacher out.

    Args:
        teacher: a trained network, or None where no term needs one. It is left frozen, running
            statistics of its batch norms included (`track_running_stats`).
        student: the network to train.
        terms: the addends of the loss, names all different.
        teacher_mode: "eval" uses the teacher's running statistics (MMRazor); "train" the batch's
            (OFD's and CD's authors). Neither moves them.
        image_size: height and width in pixels, for one dry forward that pairs the features.
    Attributes:
        answers: "student", and "teacher" where there is one -> what `task_and_classes` says of it.
    Raises:
        DistillError: no terms, a name twice, a term without its teacher, class counts that differ,
            or a student with nothing to train.
        FeatureError: taps that do not pair up.

    Explained in notebooks/06_overhaul.ipynb.
    """

    def __init__(
        self,
        teacher: nn.Module | None,
        student: nn.Module,
        terms: Sequence[Term],
        teacher_mode: TeacherMode = "eval",
        *,
        image_size: int = 32,
    ):
        super().__init__()
        names = [term.name for term in terms]
        if not terms or len(set(names)) != len(names):
            raise DistillError(f"terms are {names}: expected at least one, each name once.")
        if taken := {"sum", "images"} & set(names):
            raise DistillError(f"a term is named {taken.pop()!r}, which `fit` counts beside them.")
        if teacher_mode not in ("eval", "train"):
            raise DistillError(f"teacher_mode is {teacher_mode!r}; expected 'eval' or 'train'.")
        needing = [term.name for term in terms if term.needs_teacher]
        if needing and teacher is None:
            raise DistillError(f"the terms {', '.join(needing)} need a teacher, and none is given.")
        self.teacher_mode = teacher_mode
        self.student = unwrap(student)
        self._check_student(teacher)
        # Outside the module tree: it is neither trained, nor saved, nor broadcast by DDP.
        object.__setattr__(self, "_teacher", unwrap(teacher) if needing else None)
        self._check_logits(image_size)
        self.terms = nn.ModuleList(terms)
        like = next(self.student.parameters())
        for term in terms:
            term.attach(self._teacher, self.student, image_size)
            term.to(like.device, like.dtype)
        self._read_student = TapReader(
            self.student, [t for term in terms for t in term.student_taps], when_asked=True
        )
        if self._teacher is not None:
            self._freeze_teacher()
            self._read_teacher = TapReader(
                self._teacher, [t for term in terms for t in term.teacher_taps], when_asked=True
            )
        self.train()

    @property
    def teacher(self) -> nn.Module | None:
        """The frozen teacher, None where no term needs one."""
        return self._teacher

    def _check_student(self, teacher: nn.Module | None) -> None:
        if teacher is not None and unwrap(teacher) is self.student:
            raise DistillError(
                "teacher and student are one object, which cannot be frozen and trained.\n"
                "  Give a copy: copy.deepcopy(teacher)."
            )
        if not any(p.requires_grad for p in self.student.parameters()):
            raise DistillError(
                f"student {type(self.student).__name__} has no parameter that requires a gradient; "
                "a network that was a teacher is left frozen.\n"
                "  Say student.requires_grad_(True)."
            )
        for module in self.student.modules():
            # As `_freeze_teacher` leaves those of a network that was a teacher before.
            if isinstance(module, BATCH_NORMS) and module.running_mean is not None:
                module.track_running_stats = True

    def _freeze_teacher(self) -> None:
        self._teacher.requires_grad_(False)
        for module in self._teacher.modules():
            if isinstance(module, BATCH_NORMS):
                # In train mode such a batch norm still uses the batch's statistics, but its
                # running ones stay what they were; in evaluation mode nothing changes.
                module.track_running_stats = False

    def _check_logits(self, image_size: int) -> None:
        self.answers = {
            role: task_and_classes(model, image_size)
            for role, model in (("student", self.student), ("teacher", self._teacher))
            if model is not None
        }
        classes = {role: count for role, (_, count) in self.answers.items()}
        if len(set(classes.values())) > 1:
            raise DistillError(
                f"teacher {type(self._teacher).__name__} gives {classes['teacher']} classes, "
                f"student {type(self.student).__name__} {classes['student']}: expected as many "
                "in both.\n  Build both with the same num_classes."
            )

    def train(self, mode: bool = True) -> "Distiller":
        """Set the mode of student and connectors; the teacher's follows `teacher_mode`."""
        super().train(mode)
        if self._teacher is not None:
            self._teacher.train(self._teacher_trains())
        return self

    def _teacher_trains(self) -> bool:
        return self.training and self.teacher_mode == "train"

    def _apply(self, fn, recurse=True):
        if self._teacher is not None:
            self._teacher._apply(fn)
        return super()._apply(fn, recurse)

    def forward(self, images: Tensor, labels: Tensor, epoch: int = 1) -> Step:
        """The loss of one batch.

        Args:
            images: (N, 3, H, W), normalised.
            labels: class indices (N,), or what else the data set has; see `Batch`.
            epoch: counted from 1; terms with a schedule weigh by it.
        """
        teacher = self.run_teacher(images)
        student = self.run_student(images)
        weights, weighted, values = {}, {}, {}
        loss = 0.0
        for term in self.terms:
            weights[term.name] = term.weight_at(epoch)
            if weights[term.name] == 0:
                # Its value is for the record only: 0 · NaN would poison the sum.
                with torch.no_grad():
                    values[term.name] = term(student, teacher, labels)
                weighted[term.name] = torch.zeros_like(values[term.name])
                continue
            values[term.name] = term(student, teacher, labels)
            weighted[term.name] = weights[term.name] * values[term.name]
            loss = loss + weighted[term.name]
        if 0 in weights.values():
            # What only such a term reaches gets a gradient of exact zero, not None: weight decay
            # and momentum act on it as in the authors' code, and DDP finds every parameter used.
            loss = loss + 0.0 * sum(p.sum() for p in self.parameters())
        return Step(loss, weighted, values, student.logits)

    @torch.no_grad()
    def run_teacher(self, images: Tensor) -> Outputs | None:
        """Logits and taps of the teacher, once, without a graph; None without a teacher."""
        if self._teacher is None:
            return None
        # Another Distiller may share this teacher and want it otherwise.
        if self._teacher.training != (mode := self._teacher_trains()):
            self._teacher.train(mode)
        self._read_teacher.start()
        logits = self._teacher(images)
        return Outputs(logits, self._read_teacher.take())

    def run_student(self, images: Tensor) -> Outputs:
        """Logits and taps of the student."""
        self._read_student.start()
        logits = self.student(images)
        return Outputs(logits, self._read_student.take())

    def refresh_margins(self) -> None:
        """Compute every margin anew from the teacher's present weights; `fit` does so first."""
        for term in self.terms:
            if isinstance(term, Overhaul):
                term.refresh_margins(self._teacher)

    def _feature_terms(self) -> list[FeatureTerm]:
        return [term for term in self.terms if isinstance(term, FeatureTerm)]

    def describe_taps(self) -> str:
        """Which features each term compares, and which it leaves out, a line each."""
        return "\n".join(term.describe_taps() for term in self._feature_terms())

    @torch.no_grad()
    def explain(self, images: Tensor) -> str:
        """A table of the features that are compared, a line for each pair of every term.

        Taps, the teacher's shape, the pair's share of its term's value on these images; of OFD
        batch norm, range of the margins and divisor as well.

        Args:
            images: a batch, (N, 3, H, W); it changes no statistics.
        """
        with evaluation_mode(self, self._teacher):
            student, teacher = self.run_student(images), self.run_teacher(images)
            return pairs_table(self._feature_terms(), student, teacher)
