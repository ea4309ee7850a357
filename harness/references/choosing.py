"""Choice of a forget set by scores of models that are trained for it: the *first population*.

The run's own reference models are trained afterwards, with other seeds. So the noise of the scores, which the choice prefers,
is not in any result. A plugin never sees a score.

- ``memorised``, ``easy``: highest and lowest memorisation of an example x with class y, the mean of p_y over models trained
  with x less that over models trained without it. Sources: Feldman, "Does Learning Require Memorization?" (2020), definition;
  Feldman and Zhang, "What Neural Networks Memorize and Why" (2020), estimate from models trained on random subsets.
- ``similar``: an example and its nearest neighbours by the mean log probabilities of the models that were trained without the
  example (Euclidean distance): what they say of an example that they have never seen. No features are used, so that it is
  defined for every network.
- ``influential``: highest EL2N, the mean of ||p - onehot(y)||_2 over models early in training; here models trained on the whole
  training set for a tenth of the recipe's epochs. It approximates the norm of the loss gradient. Source: Paul, Ganguli and
  Dziugaite, "Deep Learning on a Data Diet" (2021).
- ``worst_case``: what is left of the memorisation of x after the simplest way to unlearn it, a short training on the rest (the
  probe ``recovery``, change ``retain``): mean of p_y over models trained with all examples and then on without x, less that over
  models trained without x. A first-order answer to the search for the set that is forgotten worst (Fan et al. 2024, arXiv
  2403.07362), whose members are chosen one by one and not together.

For all but ``influential``, the training set is divided at random into GROUPS groups, and each is held out from as many models.
Models that train together share their examples, so that a subset for each model, as in the paper, would be trained one model
at a time. Every example is held out of a quarter of the models, and every model is trained on 75 % of the data (paper: 70 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from harness.core.keys import shown
from harness.core.progress import Progress
from harness.errors import DatasetInvalidError
from harness.probes.recovery import RECOVERY
from harness.references.identity import Role
from harness.references.own_network import OwnNetwork
from harness.references.populations import Chunk, References, train_chunks
from harness.references.probing import Probing
from harness.references.queries import NO_QUERIES
from harness.tasks import splitting
from harness.tasks.checking import load_data
from harness.tasks.task import ChosenForget, ForgetChoice, Task, Undivided
from harness.tasks.yaml.wording import near_match
from reference_models.networks.recipe import derive_seed

Values = NDArray[np.float64]
Index = NDArray[np.int64]

GROUPS = 4
"""Number of groups of training examples that are held out in turn."""

ROLES_OF: dict[str, tuple[Role, ...]] = {"influential": ("original",), "worst_case": ("retrained", "original")}
"""Roles of the models of a first population, if it has others than retrained ones alone."""

EARLY = 10
"""One in so many epochs of the recipe, at least one, is trained for ``influential``."""

SUFFIX = "-scores"
"""End of the name of a first population's task in the cache."""


@dataclass(frozen=True)
class FirstPopulation:
    """The models that choose a task's forget set.

    Attributes:
        own: the task with its network.
        choice: what is to be chosen.
        whole: the task's data.
        groups: positions in the training set of each part's forget set.
        parts: populations with each group as forget set; one part for ``influential``.
        roles: of the models: retrained, without the group, original, with all examples, or both.
        each: number of models of a part and role.
    """

    own: OwnNetwork
    choice: ForgetChoice
    whole: Undivided
    groups: tuple[Index, ...]
    parts: tuple[References, ...]
    roles: tuple[Role, ...]
    each: int

    @classmethod
    def of(cls, own: OwnNetwork, device: str) -> FirstPopulation:
        """Load a task's data and return its first population, none of it trained yet.

        Raises:
            ValueError: the task's forget set is known.
            HarnessError: the data is invalid or unavailable.
        """
        choice = own.task.choice
        if choice is None:
            raise ValueError(f"the forget set of {own.task.name} is known")
        whole = choice.load()
        _check(own.task, choice, whole)
        order = splitting.seeded_order(whole.train.ids, seed=choice.seed, purpose="first population")
        groups = tuple(np.sort(order[number::GROUPS]) for number in range(GROUPS))
        held_out = choice.by != "influential"
        used = groups if held_out else groups[:1]
        parts = tuple(_part(own, choice, whole, number, group, device) for number, group in enumerate(used))
        roles = ROLES_OF.get(choice.by, ("retrained",))
        return cls(own, choice, whole, groups, parts, roles, choice.models // (len(used) * len(roles)))

    def missing(self) -> list[tuple[References, Chunk]]:
        """Return the chunks to train, each with its populations."""
        return [
            (part, chunk)
            for part in self.parts
            for role in self.roles
            for chunk in part.chunks(role, self.each)
            if not part.is_held(chunk)
        ]

    def unprobed(self) -> int:
        """Return the number of models that ``worst_case`` still has to train on with the other examples."""
        if self.choice.by != "worst_case":
            return 0
        return sum(Probing(part, RECOVERY).missing(self.each, ("original",)) for part in self.parts)

    def provisional(self) -> Task:
        """Return the task with a random forget set of the right size, to plan a run before the choice."""
        rule = self.choice
        return self._task(splitting.forget_random(self.whole.train, rule.amount, seed=rule.seed))

    def chosen(self, progress: Progress) -> Task:
        """Return the task with its forget set; train what is missing of the population."""
        train_chunks(self.missing(), progress, "training models that choose the forget set")
        if self.choice.by == "worst_case":
            for part in self.parts:
                Probing(part, RECOVERY).compute(self.each, (), progress, roles=("original",))
        with progress.step("choosing the forget set", None):
            scores, example = self._scores()
        ids = self.whole.train.ids
        count = splitting.amount_of(self.choice.amount, len(ids), what="forget")
        ties = np.argsort(splitting.seeded_order(ids, seed=self.choice.seed, purpose="forget"))
        order = np.lexsort((ties, scores if self.choice.by in ("easy", "similar") else -scores))
        found, others = scores[order[:count]], scores[order[count:]]
        told = ChosenForget(
            by=self.choice.by,
            models=self.choice.models,
            among=len(ids),
            lowest=float(found.min()),
            mean=float(found.mean()),
            highest=float(found.max()),
            others_mean=float(others.mean()) if others.size else 0.0,
            example=example,
        )
        return replace(self._task(np.sort(order[:count])), chosen=told)

    def _task(self, forget: Index) -> Task:
        load = partial(splitting.divided, self.whole, forget)
        return replace(self.own.task, load=load, choice=None)

    def _scores(self) -> tuple[Values, str | None]:
        """Return the score of each training example, shape (n,), and the example whose neighbours are looked for."""
        if self.choice.by == "influential":
            return self._el2n(), None
        if self.choice.by == "worst_case":
            return self._left(), None
        logits = [self._logits(number) for number in range(len(self.parts))]
        if self.choice.by == "similar":
            return self._distances(logits)
        labels = self.whole.train.labels
        return memorisation([confidence(one, labels) for one in logits], self.groups), None

    def _el2n(self) -> Values:
        return el2n(self._logits(0), self.whole.train.labels)

    def _left(self) -> Values:
        """Return what is left of the memorisation of each training example after a short training on the others, shape (n,)."""
        found = np.empty(len(self.whole.train))
        for part, group in zip(self.parts, self.groups, strict=True):
            after = expit(Probing(part, RECOVERY).results("original", self.each)["retain/forget"].astype(np.float64))
            retrained = part.population("retrained", self.each).logits["forget"]
            found[group] = after.mean(axis=0) - confidence(retrained, self.whole.train.labels[group]).mean(axis=0)
        return found

    def _distances(self, logits: Sequence[NDArray[np.float32]]) -> tuple[Values, str]:
        ids = self.whole.train.ids
        wanted = self.choice.example
        drawn = splitting.seeded_order(ids, seed=self.choice.seed, purpose="forget")[0]
        position = int(drawn) if wanted is None else int(np.flatnonzero(ids == wanted)[0])
        return distances(unseen_log_probabilities(logits, self.groups), position), str(ids[position])

    def _logits(self, number: int) -> NDArray[np.float32]:
        """Return the logits of a part's models on the training set, in its order, shape (N, n, C)."""
        found = self.parts[number].population(self.roles[0], self.each).logits
        forget = self.groups[number]
        retain = np.setdiff1d(np.arange(len(self.whole.train)), forget)
        logits = np.empty((self.each, len(self.whole.train), len(self.whole.class_names)), dtype=np.float32)
        logits[:, retain], logits[:, forget] = found["retain"], found["forget"]
        return logits


def _check(task: Task, choice: ForgetChoice, whole: Undivided) -> None:
    """Refuse, before any training, a choice that the task or its data does not allow."""
    if choice.by == "worst_case" and (why := RECOVERY.refuses(task)):
        raise DatasetInvalidError(f"forget.by: worst_case: models of {task.name} cannot be trained on: {why}")
    ids = whole.train.ids
    count = splitting.amount_of(choice.amount, len(ids), what="forget")
    if count == len(ids):
        raise DatasetInvalidError("forget: the retain set is empty, since every training example is to be forgotten")
    if len(ids) < 2 * GROUPS:
        raise DatasetInvalidError(
            f"forget.by: {choice.by}: the training set has {len(ids)} examples, and {2 * GROUPS} are needed to hold out "
            f"{GROUPS} groups in turn; use more data, or name the forget set (by: ids)"
        )
    if choice.example is not None and choice.example not in set(ids.tolist()):
        raise DatasetInvalidError(
            f"forget.example: no training example has the id {shown(choice.example)}"
            f"{near_match(choice.example, ids.tolist())}; there are {len(ids)}, e.g. {shown(str(ids[0]))}"
        )


def _part(
    own: OwnNetwork, choice: ForgetChoice, whole: Undivided, number: int, group: Index, device: str
) -> References:
    """Return the populations of a first population with one group as forget set; without journals and queries."""
    task = own.task
    recipe = task.recipe
    if choice.by == "influential":
        recipe = replace(recipe, epochs=max(1, recipe.epochs // EARLY))
    first = replace(
        task,
        name=f"{task.name}{SUFFIX}",
        recipe=recipe,
        journal=None,
        seed=derive_seed("first population", task.seed, choice.seed, number),
        choice=None,
        load=partial(splitting.divided, whole, group),
    )
    return References(first, load_data(first), device=device, queries=NO_QUERIES, own=replace(own, task=first))


def confidence(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
    """Return the softmax probability of the label, shape (N, n), for logits (N, n, C)."""
    found = np.take_along_axis(softmax(logits.astype(np.float64), axis=2), labels[None, :, None], axis=2)
    return np.asarray(found[..., 0])


def memorisation(confidences: Sequence[Values], groups: Sequence[Index]) -> Values:
    """Return the mean confidence with an example in training less that without it, shape (n,).

    Args:
        confidences: of the models trained without each group, on the whole training set, shape (N, n) each.
        groups: positions of each group; they partition the training set.
    """
    totals = np.sum([one.sum(axis=0) for one in confidences], axis=0)
    models = sum(map(len, confidences))
    found: NDArray[np.float64] = np.empty_like(totals)
    for one, group in zip(confidences, groups, strict=True):
        without = one[:, group].sum(axis=0)
        found[group] = (totals[group] - without) / (models - len(one)) - without / len(one)
    return found


def unseen_log_probabilities(logits: Sequence[NDArray[np.float32]], groups: Sequence[Index]) -> Values:
    """Return the mean log probabilities by the models that were trained without each example, shape (n, C)."""
    found = np.empty(logits[0].shape[1:])
    for one, group in zip(logits, groups, strict=True):
        found[group] = log_softmax(one[:, group].astype(np.float64), axis=2).mean(axis=0)
    return found


def distances(points: Values, position: int) -> Values:
    """Return the Euclidean distance of each row from that at ``position``, shape (n,)."""
    return np.asarray(np.sqrt(((points - points[position]) ** 2).sum(axis=1)))


def el2n(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
    """Return the mean over models of ||p - onehot(label)||_2, shape (n,), for logits (N, n, C)."""
    errors = softmax(logits.astype(np.float64), axis=2)
    errors -= np.eye(logits.shape[2])[labels]
    return np.asarray(np.sqrt((errors**2).sum(axis=2)).mean(axis=0))
