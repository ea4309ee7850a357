"""Wording of a forget set that models chose, for terminal and page."""

from __future__ import annotations

from harness.tasks.task import ChosenForget

_WHICH = {
    "memorised": "the most memorised examples",
    "easy": "the least memorised examples",
    "similar": "{example} and the examples that models predict most like it",
    "influential": "the examples with the largest error early in training (EL2N)",
    "worst_case": "the examples of which most is left after a short training on the others",
}
_SCORE = {
    "memorised": "Memorisation (probability of the class if trained with the example, less that without it)",
    "easy": "Memorisation (probability of the class if trained with the example, less that without it)",
    "similar": "Distance (Euclidean, between log probabilities)",
    "influential": "EL2N",
    "worst_case": "What is left (probability of the class after the short training, less that if trained without the example)",
}


def choice_sentence(chosen: ChosenForget | None) -> str:
    """Return how models chose the forget set, with a summary of the scores; empty if the task names it."""
    if chosen is None:
        return ""
    which = _WHICH[chosen.by].format(example=chosen.example)
    return (
        f"Forget set: {which} of {chosen.among:,} in training, by {chosen.models} models that were trained for the choice. "
        f"{_SCORE[chosen.by]}: {chosen.lowest:.3g} to {chosen.highest:.3g}, mean {chosen.mean:.3g}; of the others, "
        f"{chosen.others_mean:.3g}. Plugins never see scores."
    )
