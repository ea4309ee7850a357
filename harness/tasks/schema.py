"""The keys of a task file, as pydantic models. ``docs/reference/tasks.md`` explains each; a test compares the two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from harness.tasks.wording import listed, near_match
from reference_models.recipe import ArchitectureSpec, Recipe

# Kept here so that a task file is checked without importing torch; a test compares it with reference_models.
ARCHITECTURES = {"small-cnn": ("width", "norm"), "resnet18": ("width",), "mlp": ("hidden",)}


def _check_amount(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value <= 1:
        return value
    raise ValueError("must be a count (a whole number from 1) or a fraction (above 0, at most 1.0)")


def _text_of_number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_architecture(value: ArchitectureSpec) -> ArchitectureSpec:
    if ":" in value.name:
        return value
    if value.name not in ARCHITECTURES:
        known = [*ARCHITECTURES, "package.module:factory"]
        raise ValueError(f"name {value.name!r} is unknown{near_match(value.name, known)}; allowed: {listed(known)}")
    options = ARCHITECTURES[value.name]
    for option in value.options:
        if option not in options:
            raise ValueError(
                f"options of {value.name} have no {option!r}{near_match(option, options)}; allowed: {listed(options)}"
            )
    return value


def _check_class(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError("must be a class's name or its number, counted from 0")


Amount: TypeAlias = Annotated[int | float, PlainValidator(_check_amount)]
"""An int is a count, a float a fraction."""
Name: TypeAlias = Annotated[str, BeforeValidator(_text_of_number)]
ClassRef: TypeAlias = Annotated[str | int, PlainValidator(_check_class)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Fraction: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Noise: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FacesDataset(_Section):
    """Face pictures drawn from parameters; nothing to download."""

    kind: Literal["faces"]
    persons: Count = 520
    pictures: Count = 4
    seed: Seed = 0
    label_noise: Noise = 0.0
    looks_spread: Annotated[float, Field(ge=0)] = 1.0
    nuisance: Annotated[float, Field(ge=0, le=2)] = 0.5
    noise: Annotated[float, Field(ge=0)] = 4.0


class FashionMnistDataset(_Section):
    """Zalando's 60,000 + 10,000 grey pictures of clothes, 28x28, ten classes."""

    kind: Literal["fashion-mnist"]
    directory: Path | None = None
    download: bool = False
    train_size: Amount | None = None
    test_size: Amount | None = None
    label_noise: Noise = 0.0
    seed: Seed = 0


class Cifar10Dataset(_Section):
    """50,000 + 10,000 colour photographs, 32x32, ten classes."""

    kind: Literal["cifar10"]
    directory: Path | None = None
    download: bool = False
    train_size: Amount | None = None
    test_size: Amount | None = None
    label_noise: Noise = 0.0
    seed: Seed = 0


class ImageFolderDataset(_Section):
    """A user's own pictures: a directory and a CSV of labels."""

    kind: Literal["image-folder"]
    directory: Path | None = None
    labels: Path = Path("labels.csv")
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    grey: bool = False
    label_noise: Noise = 0.0
    seed: Seed = 0


Dataset: TypeAlias = Annotated[
    FacesDataset | FashionMnistDataset | Cifar10Dataset | ImageFolderDataset, Field(discriminator="kind")
]


class _Sized(_Section):
    count: Count | None = None
    fraction: Fraction | None = None
    seed: Seed = 0

    @property
    def amount(self) -> float | None:
        """The count (an int) or the fraction (a float); None where neither is given."""
        return self.count if self.count is not None else self.fraction

    @model_validator(mode="after")
    def _not_both(self) -> _Sized:
        if self.count is not None and self.fraction is not None:
            raise ValueError("give count or fraction, not both")
        return self


class ForgetRandom(_Sized):
    """Examples chosen uniformly at random."""

    by: Literal["random"]

    @model_validator(mode="after")
    def _some_amount(self) -> ForgetRandom:
        if self.amount is None:
            raise ValueError("by: random needs count or fraction")
        return self


class ForgetClass(_Sized):
    """The examples of certain classes; all of them, or a random choice among them."""

    by: Literal["class"]
    classes: Annotated[tuple[ClassRef, ...], Field(min_length=1)]


class ForgetSubject(_Sized):
    """All examples of certain subjects: those named, or a random choice of subjects."""

    by: Literal["subject"]
    subjects: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetSubject:
        if (self.subjects is None) == (self.amount is None):
            raise ValueError("by: subject needs either subjects or one of count and fraction (of the subjects)")
        return self


class ForgetIds(_Section):
    """The examples of these ids."""

    by: Literal["ids"]
    ids: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    ids_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetIds:
        if (self.ids is None) == (self.ids_file is None):
            raise ValueError("by: ids needs either ids or ids_file")
        return self


Forget: TypeAlias = Annotated[ForgetRandom | ForgetClass | ForgetSubject | ForgetIds, Field(discriminator="by")]


class Splits(_Section):
    """What is held out from training: of the dataset's official test part where it has one, else of all examples."""

    validation: Amount = 0.1
    test: Amount = 0.15
    by: Literal["example", "subject"] = "example"
    seed: Seed = 0


class Normalization(_Section):
    """Constants per channel for images scaled to [0, 1], in place of those of the training set."""

    mean: Annotated[tuple[float, ...], Field(min_length=1)]
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class BudgetSection(_Section):
    """How long a method may take."""

    fraction: Annotated[float, Field(gt=0)] = 0.2
    measurements: Count = 3


class TaskFile(_Section):
    """A whole task file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    description: str = ""
    dataset: Dataset
    forget: Forget
    splits: Splits = Splits()
    normalization: Normalization | None = None
    architecture: Annotated[ArchitectureSpec, AfterValidator(_check_architecture)] = ArchitectureSpec()
    recipe: Recipe = Recipe()
    models: Annotated[int, Field(ge=2)] = 32
    budget: BudgetSection = BudgetSection()
    seed: Seed = 0
