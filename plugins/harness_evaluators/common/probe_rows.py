"""Arrays of a probe for the models that take part, by row of the report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from harness.evaluation import Evidence, Population
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Models

ROWS: Mapping[str, Population] = MappingProxyType(
    {"unlearned": "unlearned", "retrained": "retrained", "control": "control", "noop": "original"}
)


class ProbeRows:
    """The arrays of a probe; models that it does not cover are left out.

    Args:
        models: of the run.
        probe: name of the probe.
        what: what the probe computes, for the reason why there is nothing; a plural.
    """

    def __init__(self, models: Models, probe: str, what: str) -> None:
        self.evidence: Evidence = models.evidence
        self.models = models
        self._what = what
        self.arrays: Mapping[str, Mapping[str, NDArray[Any]]] = self.evidence.probes.get(probe, {})
        known = {name: min((len(one) for one in arrays.values()), default=0) for name, arrays in self.arrays.items()}
        self.order = {row: models.order[name][models.order[name] < known.get(name, 0)] for row, name in ROWS.items()}

    def sizes(self) -> dict[str, int]:
        """Return the number of models per row of the report."""
        return {row: len(order) for row, order in self.order.items()}

    def why_not(self) -> str:
        """Return why nothing can be compared, as a sentence; empty if something can."""
        if not any(self.arrays.values()):
            return f"Not computed: there are no {self._what}; they need the weights of the models."
        if why_not := self.models.why_not("forget"):
            return why_not
        few = [f"{self.sizes()[row]} {row}" for row in ("unlearned", "retrained") if self.sizes()[row] < MIN_MODELS]
        if not few:
            return ""
        return f"Not computed: {self._what} of {' and '.join(few)} models; it needs {MIN_MODELS} of each."

    def of(self, array: str) -> dict[str, NDArray[Any]]:
        """Return an array of the probe for each row of the report with enough models; empty if there is none."""
        return {
            row: self.arrays[name][array][self.order[row]]
            for row, name in ROWS.items()
            if len(self.order[row]) >= MIN_MODELS and array in self.arrays.get(name, {})
        }
