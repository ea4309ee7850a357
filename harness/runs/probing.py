"""The probes that a run's evaluators ask for: of its reference models, and of the models that it unlearned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from harness.choices import FailedAs
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
from harness.core.room import stacked
from harness.plugins.discovery import DEFAULT, LoadedEvaluator
from harness.probes.probe import Arrays, Probe
from harness.probes.registry import probes_of
from harness.references.identity import ROLES
from harness.references.populations import References
from harness.references.probing import Probing, ToProbe
from harness.runs.config import RunConfig
from harness.runs.store import RunStore
from harness.tasks.task import Task
from reference_models.networks.recipe import derive_seed


@dataclass(frozen=True)
class Probed:
    """What the probes of a run computed.

    Attributes:
        arrays: probe -> population -> name -> array, first axis model.
        reasons: why a probe is not among them, a clause by probe.
    """

    arrays: dict[str, dict[str, Arrays]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def names_of_run(config: RunConfig, task: Task) -> tuple[str, ...]:
    """Return the names of the evaluators of a run: those asked for, else the default ones and the task's."""
    return config.evaluators or (DEFAULT, *task.evaluators)


def probes_for(evaluators: Sequence[LoadedEvaluator]) -> tuple[Probe, ...]:
    """Return the probes that evaluators ask for.

    Raises:
        EvaluatorError: if there is no such probe.
    """
    return tuple({one.name: one for each in evaluators for one in probes_of(each.info.probes, each.info.name)}.values())


def probe_run(
    probes: Sequence[Probe],
    references: References,
    models: int,
    outcomes: Sequence[ModelOutcome],
    store: RunStore,
    failed_as: FailedAs,
    progress: Progress,
) -> Probed:
    """Compute the probes of a run's models, and return their arrays.

    A probe is left out, with a notice, if it cannot be computed for the task, or if the weights of a finished model are gone.
    A probe of the first models alone has the outcomes with as low an index.

    Args:
        probes: the probes.
        references, models: the reference models, and their number in a population.
        outcomes: outcomes of all models.
        store: has the weights of finished models, and gets what is computed.
        failed_as: how failed models count.
        progress: shows progress and notices.
    """
    found = Probed()
    for probe in probes if any(one.status.finished for one in outcomes) else ():
        probing = Probing(references, probe)
        chosen = [one for one in outcomes if probe.models is None or one.index < probing.covered(models)]
        to_probe = [_to_probe(store, probing.name, one) for one in chosen if one.status.finished]
        why = probe.refuses(references.task)
        if references.task.request is not None:
            why = "a request of a stream begins with models that are no reference models"
        if not why and any(not one.results.exists() and not one.weights.exists() for one in to_probe):
            why = "the run did not keep the weights of its models; run it with --keep-weights, or with the evaluator"
        if not why:
            probing.compute(models, to_probe, progress)
            arrays: dict[str, Arrays] = {role: probing.results(role, models) for role in ROLES}
            why = "" if all(arrays.values()) else probe.nothing
        if why:
            found.reasons[probe.name] = why
            progress.notice(f"The probe {probe.name} is not computed: {why}.")
            continue
        arrays["unlearned"] = _unlearned(probing.name, arrays["original"], chosen, store, failed_as)
        found.arrays[probe.name] = arrays
    return found


def _to_probe(store: RunStore, name: str, outcome: ModelOutcome) -> ToProbe:
    seed = derive_seed("probe", outcome.seed, outcome.index)
    return ToProbe(store.weights_file(outcome.index), seed, outcome.original, store.probe_file(outcome.index, name))


def _unlearned(
    name: str,
    originals: Mapping[str, NDArray[Any]],
    outcomes: Sequence[ModelOutcome],
    store: RunStore,
    failed_as: FailedAs,
) -> Arrays:
    """Return the arrays of the unlearned models that count, in the order of the evidence."""
    counted = [one for one in outcomes if one.status.finished or failed_as == "noop"]
    rows = (
        {key: array[0] for key, array in store.probed(one.index, name).items()}
        if one.status.finished
        else {key: array[one.original] for key, array in originals.items()}
        for one in counted
    )
    return stacked(rows, len(counted))
