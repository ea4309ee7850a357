"""The report's record of single forgotten examples: what each model of three populations says of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.report.records import Record


class PhiRecord(Record):
    """Logit-scaled confidence of one example's class, a value per model, to four digits; the models in any order."""

    unlearned: tuple[float, ...] = Field(
        min_length=1, description="Of the unlearned models; one per original that was unlearned."
    )
    retrained: tuple[float, ...] = Field(min_length=1, description="Of the retrained models.")
    original: tuple[float, ...] = Field(min_length=1, description="Of the untouched originals: the no-op.")


class DistanceRecord(Record):
    """Kolmogorov-Smirnov distances of one example's confidences from the retrained models'; 0 alike, 1 apart."""

    unlearned: float = Field(ge=0, le=1, description="Of the unlearned models.")
    control: float = Field(ge=0, le=1, description="Of the control: what perfect unlearning scores.")
    original: float = Field(ge=0, le=1, description="Of the untouched originals: the no-op.")


class ExampleRecord(Record):
    """One forgotten example."""

    id: str = Field(description="The example's id in the task.")
    label: int = Field(ge=0, description="Its class, 0-based; the one that the models were trained on.")
    true_label: int | None = Field(None, ge=0, description="Its class before the task corrupted labels; null: did not.")
    rank: int = Field(ge=1, description="Its place among all forgotten examples by distance, the worst is 1.")
    distance: DistanceRecord = Field(description="How far its confidences lie from the retrained models'.")
    phi: PhiRecord = Field(description="Confidence in its class, by population.")
    named: Literal["", "remembered", "over_forgotten"] = Field(
        "",
        description="Whether it differs by itself, with a chance of at most 5 % that any example is named wrongly; "
        "empty: it is not named.",
    )
    picture: str | None = Field(None, description="PNG file in base64; null where the task's pictures are not shown.")


class GroupRecord(Record):
    """The forgotten examples of one class or subject."""

    kind: Literal["class", "subject"] = Field(description="What its examples have in common.")
    name: str = Field(description="The class's or the subject's name.")
    examples: int = Field(ge=1, description="How many forgotten examples it has.")
    left: float | None = Field(description="Share of their memory that is left; null where there was too little.")
    remembered: int = Field(ge=0, description="How many of them are named as remembered.")
    over_forgotten: int = Field(ge=0, description="How many of them are named as over-forgotten.")


class ExamplesRecord(Record):
    """A few forgotten examples: those named, the worst by distance, some about the median, and the best."""

    of: int = Field(ge=1, description="How many examples there are to forget.")
    shown: tuple[ExampleRecord, ...] = Field(min_length=1, description="Named ones first, then the worst by distance.")
    groups: tuple[GroupRecord, ...] = Field(
        (), description="By class and by subject, those with most named examples first; at most 20 of a kind."
    )
    pictures: Literal["shown", "private", "size"] = Field(
        description="shown; private: a user's own pictures, which no report holds; size: too large or of no known form."
    )
