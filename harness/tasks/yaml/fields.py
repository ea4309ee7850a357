"""Value types of task file keys, and base classes of sections."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from harness.core.keys import KeyTextError, key


def _check_amount(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value <= 1:
        return value
    raise ValueError("must be a count (a whole number from 1) or a fraction (above 0, at most 1.0)")


def _text_of_number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _key(text: str) -> str:
    try:
        return key(text)
    except KeyTextError as error:
        raise ValueError(f"must be a name: {error}") from error


def _check_class(value: object) -> object:
    if isinstance(value, str):
        return _key(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("must be a class name, or a class number from 0")


Amount: TypeAlias = Annotated[int | float, PlainValidator(_check_amount)]
"""An int is a count, a float is a fraction."""
Name: TypeAlias = Annotated[str, BeforeValidator(_text_of_number), AfterValidator(_key)]
ClassRef: TypeAlias = Annotated[str | int, PlainValidator(_check_class)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000)]
Fraction: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Noise: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A mapping of keys, without unknown keys, NaN, infinity or implicit conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Sized(Section):
    """A section with an optional count or fraction, and the seed of a choice."""

    count: Count | None = None
    fraction: Fraction | None = None
    seed: Seed = 0

    @property
    def amount(self) -> float | None:
        """Return the count (an int) or the fraction (a float); None if neither is given."""
        return self.count if self.count is not None else self.fraction

    @model_validator(mode="after")
    def _not_both(self) -> Sized:
        if self.count is not None and self.fraction is not None:
            raise ValueError("give count or fraction, not both")
        return self


class SomeAmount(Sized):
    """A section with a required count or fraction."""

    @model_validator(mode="after")
    def _some_amount(self) -> SomeAmount:
        if self.amount is None:
            raise ValueError("count or fraction is missing; give one of them")
        return self
