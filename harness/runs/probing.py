"""The probes that a run's evaluators ask for: of its reference models, and of the models that it unlearned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.choices import FailedAs
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
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

Probed = dict[str, dict[str, Arrays]]
"""Probe -> population -> name -> array, first axis model."""


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

    Args:
        probes: the probes.
        references, models: the reference models, and their number in a population.
        outcomes: outcomes of all models.
        store: has the weights of finished models, and gets what is computed.
        failed_as: how failed models count.
        progress: shows progress and notices.
    """
    finished = [one for one in outcomes if one.status.finished]
    found: Probed = {}
    for probe in probes if finished else ():
        to_probe = [_to_probe(store, probe, one) for one in finished]
        why = probe.refuses(references.task)
        if references.task.request is not None:
            why = "a request of a stream begins with models that are no reference models"
        if not why and any(not one.results.exists() and not one.weights.exists() for one in to_probe):
            why = "the run did not keep the weights of its models; run it with --keep-weights, or with the evaluator"
        if why:
            progress.notice(f"The probe {probe.name} is not computed: {why}.")
            continue
        probing = Probing(references, probe)
        probing.compute(models, to_probe, progress)
        arrays: dict[str, Arrays] = {role: probing.results(role, models) for role in ROLES}
        if all(arrays.values()):
            arrays["unlearned"] = _unlearned(probe, arrays["original"], outcomes, store, failed_as)
            found[probe.name] = arrays
    return found


def _to_probe(store: RunStore, probe: Probe, outcome: ModelOutcome) -> ToProbe:
    seed = derive_seed("probe", outcome.seed, outcome.index)
    return ToProbe(store.weights_file(outcome.index), seed, store.probe_file(outcome.index, probe.name))


def _unlearned(
    probe: Probe,
    originals: Mapping[str, NDArray[Any]],
    outcomes: Sequence[ModelOutcome],
    store: RunStore,
    failed_as: FailedAs,
) -> Arrays:
    """Return the arrays of the unlearned models that count, in the order of the evidence."""
    counted = [one for one in outcomes if one.status.finished or failed_as == "noop"]
    rows = [
        {name: array[0] for name, array in store.probed(one.index, probe.name).items()}
        if one.status.finished
        else {name: array[one.original] for name, array in originals.items()}
        for one in counted
    ]
    return {name: np.stack([row[name] for row in rows]) for name in originals}
