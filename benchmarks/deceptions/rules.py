"""The rules that the verdict must keep, over several draws.

1. No deception is ever ``as_retrained``.
2. ``no_difference_seen`` is said of a deception only where the bounds that it states cover what is truly left. Where half of
   the memory or more is left, never; where less is left, a bound of 95 % may miss by chance.
3. An honest submission gets a word that describes it. A test at 5 % may err by chance.

*By chance* means: as many misses, or more, come of that many draws with a probability of at least 1 % where each misses with
a probability of 5 %. Draws at all numbers of models are counted together.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binom

from benchmarks.deceptions.judging import Judgement

LEVEL = 0.05
BY_CHANCE = 0.01
MUCH = 0.5
"""Share of the memory from which on no bound that the verdict may state covers what is left."""


def broken(judgements: Sequence[Judgement]) -> list[str]:
    """Return one sentence for each submission that breaks a rule."""
    names = dict.fromkeys(one.deception.name for one in judgements)
    found = (_broken(name, [one for one in judgements if one.deception.name == name]) for name in names)
    return [sentence for sentence in found if sentence]


def _broken(name: str, judgements: Sequence[Judgement]) -> str:
    breaches = [one for one in judgements if one.breach]
    if not breaches:
        return ""
    never = [one for one in breaches if not one.deception.honest and (one.level == "as_retrained" or one.left >= MUCH)]
    if not never and chance(len(breaches), len(judgements)) >= BY_CHANCE:
        return ""
    worst = (never or breaches)[0]
    return (
        f"{name}: {worst.breach} ({len(breaches)} of {len(judgements)} draws; e.g. N = {worst.models}, stated bounds "
        f"{_shown(worst.memory_bound)} and {_shown(worst.shift_bound)} sd, truly left {worst.left:.3f})"
    )


def chance(misses: int, draws: int) -> float:
    """Return the probability of that many misses or more where each draw misses with the level's probability."""
    return float(binom.sf(misses - 1, draws, LEVEL))


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
