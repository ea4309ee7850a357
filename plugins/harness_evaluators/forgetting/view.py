"""The data of the evaluator ``forgetting``: each row of the report with its reference models, views, and permutations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Population, SplitName
from harness_evaluators.common import mapped
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Models
from harness_evaluators.forgetting import excess_test, features, memory_regression, permutation_test, placebo
from harness_evaluators.forgetting.excess_test import Distances
from harness_evaluators.forgetting.memory_regression import Origins, Sample
from harness_evaluators.forgetting.permutation_test import Difference, Labels

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Columns = Callable[[Population], Values]
Row = Literal["unlearned", "control", "noop"]

PLAIN, CALIBRATED, QUERIES = "plain", "calibrated", "mean over queries"
CALIBRATED_QUERIES = "calibrated mean over queries"

MOST_TESTED = 256
"""Most models of a population in the test: this many detect a shift of .09 standard deviations of 1 % of the examples."""

MOST_MODELS = 128
"""Most models of a population in the comparison of forget and test set, in which noise over examples dominates."""
"""Ways to look at the confidence on the forget set; each query by itself is a further one, by its name."""


@dataclass(frozen=True)
class Pair:
    """A row of the report and the populations that it is compared with.

    Attributes:
        compared: the population.
        references: populations of retrained models; never the compared one.
    """

    compared: Population
    references: tuple[Population, ...]

    @property
    def everyone(self) -> tuple[Population, ...]:
        """Return the compared population, then its references."""
        return (self.compared, *self.references)


@dataclass(frozen=True)
class Excess:
    """Results of the comparison of forget and test set; None if the test is impossible.

    Attributes:
        confidence: by confidences, between examples of the same difficulty.
        wrong: by the order of wrong classes, between examples of the same class.
    """

    confidence: Difference | None
    wrong: Difference | None


@dataclass(frozen=True)
class View:
    """All data of a run's models that the tests use; expensive parts are cached.

    Attributes:
        models: of the run.
    """

    models: Models
    _kept: dict[object, Values] = field(default_factory=dict)
    _scores: dict[tuple[Population, bool], placebo.Scores] = field(default_factory=dict)

    def pairs(self) -> dict[Row, Pair]:
        """Return the rows with enough models and enough reference models for a comparison."""
        many: set[Population] = {name for name, rows in self.models.whole.items() if len(rows) >= MIN_MODELS}
        both: tuple[Population, ...] = ("retrained", "control")
        references = tuple(name for name in both if name in many)
        found: dict[Row, Pair] = {"unlearned": Pair("unlearned", references)}
        if "control" in many:
            found["control"] = Pair("control", ("retrained",))
        if "original" in many:
            found["noop"] = Pair("original", references)
        return found

    def queries(self) -> tuple[str, ...]:
        """Return the queries that every population with enough models has."""
        return features.queries(self.models.evidence, [name for name, rows in self.models.whole.items() if len(rows)])

    @functools.cached_property
    def unseen(self) -> NDArray[np.int64] | None:
        """Return the row numbers of the placebo's test examples; None if there are too few."""
        if not self.models.has("test"):
            return None
        rows = features.unseen(self.models.evidence, self.models.evidence.rng("forgetting-unseen"))
        return rows if len(rows) >= placebo.LEAST else None

    def plain(self, population: Population) -> Values:
        """Return phi on the forget set, shape (N, n)."""
        return self._once(("plain", population), lambda: features.phi(self.models, population, "forget"))

    def query(self, name: str, population: Population) -> Values:
        """Return phi on the forget set under a query, shape (N, n)."""
        return self._once((name, population), lambda: features.query_phi(self.models, name, population))

    def mean_query(self, population: Population) -> Values:
        """Return the mean of phi over the exact inputs and all queries, shape (N, n)."""

        def compute() -> Values:
            total = mapped.copied(self.plain(population))
            for name in self.queries():
                total += self.query(name, population)
            total /= 1 + len(self.queries())
            return total

        return self._once((QUERIES, population), compute)

    def on_unseen(self, population: Population) -> Values:
        """Return phi on the placebo's examples, shape (N, m)."""
        return self._once(("unseen", population), lambda: features.phi(self.models, population, "test")[:, self.unseen])

    def calibrated(self, population: Population, references: tuple[Population, ...], *, asked: bool = False) -> Values:
        """Return confidences on the forget set calibrated on the test set, shape (N, n); ``asked``: averaged over queries."""
        key = ("calibrated", population, references, asked)
        return self._once(
            key,
            lambda: placebo.adjusted(self.scores(population, asked=asked), self._reference(references, asked=asked)),
        )

    def excess(self, pair: Pair) -> Excess:
        """Compare forget and test set by confidences, and by the order of wrong classes."""
        unseen = self.unseen
        if unseen is None:
            return Excess(None, None)
        rng = self.models.evidence.rng("forgetting-excess")
        forget = features.by_id(self.models.evidence, "forget")
        if len(forget) > features.MOST_UNSEEN:
            forget = rng.permutation(forget)[: features.MOST_UNSEEN]
        compared = min(MOST_MODELS, len(self.models.whole[pair.compared]))
        distances = {"confidence": Distances.of(self._confidences(pair, forget, asked=False), compared)}
        if self.queries():  # of the forget set alone: a mean over them varies less than one answer on the test set
            asked = self._confidences(pair, forget, asked=True)
            distances[QUERIES] = Distances.of(asked, compared, spread=False)
        reference = self._reference(pair.references)
        difficulty = np.concatenate([reference.forget.mean(axis=0)[forget], reference.unseen.mean(axis=0)])
        confidence = excess_test.test(distances, excess_test.by_difficulty(difficulty), len(forget), rng)
        if self.models.evidence.n_classes < 3:
            return Excess(confidence, None)
        wrong = self._order_of_wrong_classes(pair, forget, unseen)
        labels = np.concatenate(
            [self.models.evidence.labels["forget"][forget], self.models.evidence.labels["test"][unseen]]
        )
        return Excess(
            confidence, excess_test.test({"wrong classes": Distances.of(wrong, compared)}, labels, len(forget), rng)
        )

    def _confidences(self, pair: Pair, forget: Rows, *, asked: bool) -> Values:
        """Return calibrated confidences on forgotten and on unseen examples, shape (M, len(forget) + m)."""
        reference = self._reference(pair.references, asked=asked)
        scores = [self.scores(name, asked=asked).of_first(MOST_MODELS) for name in pair.everyone]
        sides = [(placebo.adjusted(one, reference)[:, forget], placebo.residuals(one, reference)) for one in scores]
        return np.concatenate([np.concatenate(both, axis=1) for both in sides])

    def _order_of_wrong_classes(self, pair: Pair, forget: Rows, unseen: Rows) -> Values:
        models = sum(min(MOST_MODELS, len(self.models.whole[name])) for name in pair.everyone)
        most = max(2, features.MOST_NUMBERS // 2 // (models * (len(forget) + len(unseen))))
        sides: tuple[tuple[SplitName, Rows], ...] = (("forget", forget), ("test", unseen))
        found = [
            np.concatenate(
                [
                    features.order_of_wrong_classes(self.models, name, split, rows, MOST_MODELS, most)
                    for split, rows in sides
                ],
                axis=1,
            )
            for name in pair.everyone
        ]
        return np.concatenate(found)

    def _reference(self, references: tuple[Population, ...], *, asked: bool = False) -> placebo.Scores:
        known = [self.scores(name, asked=asked) for name in references]
        return placebo.Scores(
            mapped.joined([one.forget for one in known]), mapped.joined([one.unseen for one in known])
        )

    def scores(self, population: Population, *, asked: bool = False) -> placebo.Scores:
        """Return each model's confidences, plain or averaged over queries, as normal scores among its own on the test set."""
        if (population, asked) not in self._scores:
            forget = self.mean_query(population) if asked else self.plain(population)
            self._scores[population, asked] = placebo.scores(forget, self.on_unseen(population))
        return self._scores[population, asked]

    def _once(self, key: object, compute: Callable[[], Values]) -> Values:
        if key not in self._kept:
            self._kept[key] = mapped.kept(compute())
        return self._kept[key]

    def samples(self, pair: Pair) -> dict[str, Sample]:
        """Return the compared models with originals and references, for each view; empty without a no-op."""
        if len(self.models.whole["original"]) < MIN_MODELS:
            return {}
        ways: dict[str, Columns] = {PLAIN: self.plain}
        if self.unseen is not None:
            ways[CALIBRATED] = lambda name: self.calibrated(name, pair.references)
        if self.queries():
            ways[QUERIES] = self.mean_query
        if self.queries() and self.unseen is not None:
            ways[CALIBRATED_QUERIES] = lambda name: self.calibrated(name, pair.references, asked=True)
        if pair.compared != "original":  # of which all is left, however it is looked at
            ways |= {query: functools.partial(self.query, query) for query in self.queries()}
        origins = self._origins(pair.compared)
        return {
            way: memory_regression.standardised(
                columns(pair.compared), columns("original"), self._stacked(columns, pair.references), origins
            )
            for way, columns in ways.items()
        }

    def _origins(self, population: Population) -> Origins:
        """Return the row of each model's original (of an original, its own); -1 for models without one."""
        rows = self.models.whole[population]
        if population == "original":
            return np.arange(len(rows))
        if population != "unlearned":
            return np.full(len(rows), -1)
        place = {int(row): at for at, row in enumerate(self.models.whole["original"])}
        return np.array([place.get(int(row), -1) for row in self.models.evidence.unlearned_from[rows]])

    @staticmethod
    def _stacked(columns: Columns, names: tuple[Population, ...]) -> Values:
        return mapped.joined([columns(name) for name in names])

    def labels(self, pair: Pair) -> Labels:
        """Draw the permutations of a row's models."""
        sizes = {name: min(MOST_TESTED, len(self.models.whole[name])) for name in pair.everyone}
        others = sum(sizes[name] for name in pair.references)
        return Labels.draw(sizes[pair.compared], others, self.models.evidence.rng("forgetting-permutations"))

    @staticmethod
    def _tested(columns: Columns, pair: Pair) -> Values:
        return np.concatenate([columns(name)[:MOST_TESTED] for name in pair.everyone])

    def tests(self, pair: Pair, labels: Labels) -> tuple[Difference, Difference | None]:
        """Test for any difference on all features, and on the test set alone (None without a placebo)."""
        unseen = self._on_placebo(pair, labels)
        everything = self._on_forget_set(pair, labels) | unseen
        return permutation_test.combine(everything), permutation_test.combine(unseen) if unseen else None

    def _on_forget_set(self, pair: Pair, labels: Labels) -> dict[str, NDArray[np.float32]]:
        found = self._named("confidence", permutation_test.marginal(labels, self._tested(self.plain, pair)))
        found |= self._named("models", permutation_test.joint(labels, self._tested(self.plain, pair)))
        wrong = features.wrong_classes(self.models, pair.everyone, MOST_TESTED)
        if wrong.shape[1]:
            found |= self._named("wrong classes", permutation_test.marginal(labels, wrong))
        if pair.compared == "original":
            return found  # that the originals remember shows without queries
        for query in self.queries():
            columns = self._tested(functools.partial(self.query, query), pair)
            found |= self._named(query, permutation_test.marginal(labels, columns))
        if self.queries():
            found |= self._named(QUERIES, permutation_test.marginal(labels, self._tested(self.mean_query, pair)))
        return found

    def _on_placebo(self, pair: Pair, labels: Labels) -> dict[str, NDArray[np.float32]]:
        if self.unseen is None:
            return {}
        return self._named("test set", permutation_test.marginal(labels, self._tested(self.on_unseen, pair)))

    @staticmethod
    def _named(what: str, found: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        return {f"{what}: {name}": values for name, values in found.items()}

    def named(self, pair: Pair, labels: Labels, *, beside_placebo: bool) -> tuple[Values, Values]:
        """Return z-values and family-wise p-values of each forgotten example; see ``permutation_test.adjusted_p``.

        Args:
            pair: the row.
            labels: its permutations.
            beside_placebo: compare calibrated confidences, because models differ on the test set as well.
        """
        columns: Columns = self.plain
        if beside_placebo:
            columns = functools.partial(self.calibrated, references=pair.everyone)
        return permutation_test.adjusted_p(labels, self._tested(columns, pair))
