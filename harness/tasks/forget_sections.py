"""The keys of the sections ``forget``, ``deletions`` and ``corrupt`` of a task file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from harness.tasks.yaml.fields import ClassRef, Name, Section, Sized, SomeAmount

FirstModels: TypeAlias = Annotated[int, Field(ge=8, le=10_000, multiple_of=4)]
"""Models in all four groups of a first population; each group needs two or more."""


class ForgetRandom(SomeAmount):
    """Examples chosen uniformly at random."""

    by: Literal["random"]


class ForgetClass(Sized):
    """All examples of certain classes, or a random choice of them."""

    by: Literal["class"]
    classes: Annotated[tuple[ClassRef, ...], Field(min_length=1)]


class ForgetSubject(Sized):
    """All examples of certain subjects, named or chosen at random."""

    by: Literal["subject"]
    subjects: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetSubject:
        if (self.subjects is None) == (self.amount is None):
            raise ValueError("by: subject needs either subjects, or count or fraction (of the subjects)")
        return self


class ForgetIds(Section):
    """The examples with certain ids."""

    by: Literal["ids"]
    ids: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    ids_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetIds:
        if (self.ids is None) == (self.ids_file is None):
            raise ValueError("by: ids needs either ids or ids_file")
        return self


class ForgetCorrupted(Section):
    """Exactly the examples with corrupted labels."""

    by: Literal["corrupted"]


class ForgetScored(SomeAmount):
    """The examples with the highest, or lowest, score by models that are trained for this choice."""

    by: Literal["memorised", "easy", "influential"]
    models: FirstModels = 32


class ForgetWorst(SomeAmount):
    """The examples of which most is left after models that are trained for this choice are trained on with the others."""

    by: Literal["worst_case"]
    models: Annotated[int, Field(ge=8, le=10_000, multiple_of=8)] = 32


class ForgetSimilar(SomeAmount):
    """One example and those that models trained for this choice treat most like it."""

    by: Literal["similar"]
    example: Name | None = None
    models: FirstModels = 32


BY_MODELS = (ForgetScored, ForgetWorst, ForgetSimilar)
"""Rules whose examples are chosen by models that are trained for it."""

Forget: TypeAlias = Annotated[
    ForgetRandom
    | ForgetClass
    | ForgetSubject
    | ForgetIds
    | ForgetCorrupted
    | ForgetScored
    | ForgetWorst
    | ForgetSimilar,
    Field(discriminator="by"),
]


class CorruptSwap(SomeAmount):
    """Swap the labels of two classes for a count or fraction of the examples of each."""

    how: Literal["swap"]
    classes: Annotated[tuple[ClassRef, ...], Field(min_length=2, max_length=2)]


class CorruptRandom(SomeAmount):
    """Change the labels of a count or fraction of the training set to another class, drawn uniformly."""

    how: Literal["random"]


Corrupt: TypeAlias = Annotated[CorruptSwap | CorruptRandom, Field(discriminator="how")]
