"""Where the time of a run went: charged to the method, or overhead of the harness."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import Field

from harness.core.outcomes import ModelOutcome
from harness.report.records import Record


class SpreadRecord(Record):
    """Distribution of a duration over the models for which it was measured."""

    models: int = Field(ge=1, description="Number of models measured.")
    total_s: float = Field(ge=0, description="Sum, seconds.")
    p50_s: float = Field(ge=0, description="Median, seconds.")
    p90_s: float = Field(ge=0, description="90th percentile, seconds.")
    max_s: float = Field(ge=0, description="Longest, seconds.")

    @classmethod
    def of(cls, seconds: Iterable[float | None]) -> SpreadRecord | None:
        """Summarise the known durations; None if there is none."""
        known = [value for value in seconds if value is not None]
        if not known:
            return None
        p50, p90 = np.percentile(known, (50, 90))
        values = {"total_s": sum(known), "p50_s": p50, "p90_s": p90, "max_s": max(known)}
        return cls(models=len(known), **{name: round(float(value), 4) for name, value in values.items()})


class TimesRecord(Record):
    """Where the time of the models went; null if no model reached that step. Only the method's own time is charged."""

    workers: int = Field(1, ge=1, description="Models unlearned at the same time.")
    cores: int | None = Field(None, ge=1, description="Cores of each worker.")
    charged: SpreadRecord | None = Field(None, description="The method's own work, on the host's clock.")
    imports: SpreadRecord | None = Field(
        None, description="Importing the plugin, before the clock started; not charged."
    )
    start: SpreadRecord | None = Field(None, description="Waiting for guests to start; not charged.")
    hand_over: SpreadRecord | None = Field(None, description="Handing over model and data; not charged.")
    after: SpreadRecord | None = Field(None, description="Checking the returned weights and cleaning up; not charged.")
    judge: SpreadRecord | None = Field(None, description="Computing and storing logits; not charged.")
    cpu_pressure: float | None = Field(
        None, ge=0, le=1, description="Share of the charged time in which a process on the machine waited for a core."
    )
    charged_share: float | None = Field(
        None, ge=0, le=1, description="Share of all seconds spent on models that was charged to the method."
    )

    @property
    def parts(self) -> tuple[tuple[str, SpreadRecord | None], ...]:
        """Return the six parts with display names, in order of occurrence."""
        return (
            ("start of the sandbox", self.start),
            ("hand-over", self.hand_over),
            ("import of the plugin", self.imports),
            ("the method, charged", self.charged),
            ("checking and cleaning up", self.after),
            ("logits", self.judge),
        )

    @property
    def uncharged_s(self) -> float:
        """Return the overhead of the harness over all models, seconds: neither charged to the method nor of its import."""
        own = (self.start, self.hand_over, self.after, self.judge)
        return sum(part.total_s for part in own if part is not None)


def times_record(models: Iterable[ModelOutcome], workers: int, cores: int | None) -> TimesRecord:
    """Return sums and percentiles over the models."""
    models = list(models)
    parts = {
        "charged": SpreadRecord.of(model.elapsed_s for model in models),
        "start": SpreadRecord.of(model.start_s for model in models),
        "hand_over": SpreadRecord.of(model.prepare_s for model in models),
        "imports": SpreadRecord.of(model.import_s for model in models),
        "after": SpreadRecord.of(model.after_s for model in models),
        "judge": SpreadRecord.of(model.judge_s for model in models),
    }
    all_s = sum(part.total_s for part in parts.values() if part is not None)
    charged_s = 0.0 if parts["charged"] is None else parts["charged"].total_s
    share = round(charged_s / all_s, 4) if all_s > 0 else None
    pressure = _pressure(models)
    return TimesRecord(workers=workers, cores=cores, cpu_pressure=pressure, charged_share=share, **parts)


def _pressure(models: Iterable[ModelOutcome]) -> float | None:
    """Return the mean pressure weighted by charged time, over the models for which it is known."""
    known = [(m.elapsed_s, m.cpu_pressure) for m in models if m.elapsed_s and m.cpu_pressure is not None]
    if not known:
        return None
    seconds, shares = zip(*known, strict=True)
    return round(float(np.average(shares, weights=seconds)), 4)
