"""The forget set of a task that models choose, with what the choice takes."""

from __future__ import annotations

from dataclasses import replace

from harness.core.progress import Progress
from harness.probes.recovery import BUDGET
from harness.references.choosing import FirstPopulation
from harness.references.own_network import OwnNetwork
from harness.report.words import duration
from harness.runs.trial_step import estimated_training_s


def with_forget_set(own: OwnNetwork, device: str, progress: Progress) -> OwnNetwork:
    """Return the task with its forget set; train the models that choose it, if they are not cached, and say so before.

    Raises:
        HarnessError: the data is invalid or unavailable.
    """
    if own.task.choice is None:
        return own
    first = FirstPopulation.of(own, device)
    if first.missing() or first.unprobed():
        progress.notice(f"The forget set is {_cost(first)}. They are cached for later runs.")
    return replace(own, task=first.chosen(progress))


def planned_forget_set(own: OwnNetwork, device: str, progress: Progress) -> tuple[OwnNetwork, str]:
    """Return the task with its forget set, and what the choice takes; nothing is trained.

    If the models that choose it are not cached, the forget set is a random one of the same size. The sentence is empty if there
    is nothing to choose.
    """
    if own.task.choice is None:
        return own, ""
    first = FirstPopulation.of(own, device)
    if not first.missing() and not first.unprobed():
        return replace(own, task=first.chosen(progress)), f"chosen by {first.choice.models} models from the cache"
    return replace(own, task=first.provisional()), _cost(first)


def _cost(first: FirstPopulation) -> str:
    first.parts[0].check_network()
    models, unprobed = sum(chunk.models for _, chunk in first.missing()), first.unprobed()
    seconds = estimated_training_s(first.parts[0], models) + BUDGET * estimated_training_s(first.parts[0], unprobed)
    about = duration(seconds) if seconds >= 60 else f"{max(1, round(seconds))} s"
    later = f", {unprobed} to train on without the examples" if unprobed else ""
    chosen = f"chosen by {first.choice.models} models (by: {first.choice.by})"
    return f"{chosen}, {models} to train{later}: about {about}, by a trial step"
