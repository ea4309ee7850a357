"""The report's records of single forget-set examples, with the confidences of three populations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.report.records import Record


class PhiRecord(Record):
    """Logit-scaled confidence in one example's class, a value per model, to four digits; models in arbitrary order."""

    unlearned: tuple[float, ...] = Field(
        min_length=1, description="Of the unlearned models; one per unlearned original."
    )
    retrained: tuple[float, ...] = Field(min_length=1, description="Of the retrained models.")
    original: tuple[float, ...] = Field(min_length=1, description="Of the untouched originals: the no-op.")


class DistanceRecord(Record):
    """Kolmogorov-Smirnov distances of one example's confidences from those of retrained models; 0: equal, 1: no overlap."""

    unlearned: float = Field(ge=0, le=1, description="Of the unlearned models.")
    control: float = Field(ge=0, le=1, description="Of the control: the score of perfect unlearning.")
    original: float = Field(ge=0, le=1, description="Of the untouched originals: the no-op.")


class ExampleRecord(Record):
    """One forget-set example."""

    id: str = Field(description="The example's id in the task.")
    label: int = Field(ge=0, description="Class on which the models were trained, 0-based.")
    true_label: int | None = Field(
        None, ge=0, description="Class before the task corrupted labels; null: not corrupted."
    )
    rank: int = Field(ge=1, description="Rank among all forget-set examples by distance; 1 is the largest.")
    distance: DistanceRecord = Field(description="Distances of its confidences from those of retrained models.")
    phi: PhiRecord = Field(description="Confidence in its class, by population.")
    named: Literal["", "remembered", "over_forgotten"] = Field(
        "",
        description="The direction in which this example alone differs significantly (family-wise error at most 5 %); "
        "empty: it does not.",
    )
    picture: str | None = Field(None, description="PNG file in base64; null if the task's pictures are not shown.")


class GroupRecord(Record):
    """The forget-set examples of one class or subject."""

    kind: Literal["class", "subject"] = Field(description="Common property of its examples.")
    name: str = Field(description="Name of the class or subject.")
    examples: int = Field(ge=1, description="Number of its forget-set examples.")
    left: float | None = Field(description="Share of their memory that is left; null: too little memory to measure.")
    remembered: int = Field(ge=0, description="How many of them are named as remembered.")
    over_forgotten: int = Field(ge=0, description="How many of them are named as over-forgotten.")


class ExamplesRecord(Record):
    """Selected forget-set examples: those named, the largest distances, some around the median, and the smallest."""

    of: int = Field(ge=1, description="Size of the forget set.")
    shown: tuple[ExampleRecord, ...] = Field(min_length=1, description="Named ones first, then the worst by distance.")
    groups: tuple[GroupRecord, ...] = Field(
        (), description="By class and by subject, most named examples first; at most 20 of each."
    )
    pictures: Literal["shown", "private", "size"] = Field(
        description="shown; private: a user's own pictures, never put into a report; size: too large or unsupported format."
    )
