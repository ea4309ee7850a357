"""How much is computed, and the whole study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.deceptions.catalogue import find
from benchmarks.populations import Kind, Law, Pool
from benchmarks.verdict.tables import Coverage, Share, Source, Words, coverage, false_alarms, words

SIZES = {"forget": 200, "test": 400}
KINDS = (
    Kind("synthetic, two classes", SIZES),
    Kind("synthetic, ten classes", SIZES, classes=10),
    Kind("correlation .1", SIZES, correlation=0.1),
    Kind("t3 tails", SIZES, tails=3),
    Kind("saturated, with ties", SIZES, saturated=True),
)
NOTHING_LEFT, UNTOUCHED = find("retrained"), find("noop")
LEFT = tuple(find(f"left-{share}-percent") for share in (1, 2, 5, 10, 20))
TENTH_LEFT = LEFT[3]
OTHERS = (
    *(f"all-left-by-{share}-percent" for share in (5, 10, 20, 40)),
    "over-forgotten-0.5",
    "half-mirrored",
    "heavy-tail-0.55",
    "temperature-0.4",
    "temperature-0.2",
    "one-model",
    "half-untouched",
)
SUBMISSIONS = (NOTHING_LEFT, *LEFT, UNTOUCHED, *map(find, OTHERS))
"""Submissions of the study on deceptions."""

LEFT_SHARES = (0.0, 0.05, 0.2, 0.5, 1.0)
FACES = "faces"
ON_FACES = (NOTHING_LEFT, TENTH_LEFT, UNTOUCHED)


def source_of(kind: Kind) -> Source:
    """Return the source of worlds of a synthetic kind."""
    return lambda models, rng: Law.draw(kind, rng).world(models, rng)


@dataclass(frozen=True)
class Plan:
    """How much is computed.

    Attributes:
        sizes: numbers of models N.
        ends: of those, the ones at which the costly and the odd kinds are tested for false alarms.
        alarms: draws for each share of false alarms.
        perfect: draws of perfect unlearning for its words at each N: how often it gets an unfavourable one is the claim.
        words: draws for each other submission and N on synthetic populations.
        tasks, repeats: for coverage: laws, and draws of models for each.
        faces: draws for each other submission and N on ``faces``.
    """

    sizes: tuple[int, ...]
    ends: tuple[int, ...]
    alarms: int
    perfect: int
    words: int
    tasks: int
    repeats: int
    faces: int


FULL = Plan((8, 16, 32, 64), (8, 32), alarms=400, perfect=400, words=20, tasks=6, repeats=25, faces=60)
SHORT = Plan((8, 16, 32, 64), (8, 32), alarms=100, perfect=100, words=10, tasks=6, repeats=12, faces=30)
QUICK = Plan((8, 32), (8,), alarms=40, perfect=12, words=3, tasks=2, repeats=5, faces=6)


@dataclass(frozen=True)
class Results:
    """All tables.

    Attributes:
        plan: how much was computed.
        alarms: by kind of population and N.
        words: by submission and N, on synthetic populations.
        coverage: by the share of examples that is left and N.
        faces: by submission and N, on ``faces``.
    """

    plan: Plan
    alarms: Mapping[str, Mapping[int, Share]]
    words: Mapping[str, Mapping[int, Words]]
    coverage: Mapping[float, Mapping[int, Coverage]]
    faces: Mapping[str, Mapping[int, Words]]


def study(plan: Plan, pool: Pool, tell: Callable[[str], None]) -> Results:
    """Compute all tables; ``tell`` hears what is next."""
    alarms: dict[str, dict[int, Share]] = {}
    draws = [(kind.name, source_of(kind), plan.ends if number else plan.sizes) for number, kind in enumerate(KINDS)]
    for name, source, sizes in (*draws, (FACES, pool.world, plan.sizes)):
        tell(f"false alarms: {name}")
        alarms[name] = {models: false_alarms(name, source, models, plan.alarms) for models in sizes}
    main = KINDS[0]
    said: dict[str, dict[int, Words]] = {}
    for one in SUBMISSIONS:
        tell(f"words: {one.name}")
        many = plan.perfect if one is NOTHING_LEFT else plan.words
        said[one.name] = {models: words(main.name, source_of(main), one, models, many) for models in plan.sizes}
    covered = {}
    for share in LEFT_SHARES:
        tell(f"coverage: {share:.0%} of examples left")
        covered[share] = coverage(main, share, plan.sizes, plan.tasks, plan.repeats)
    real: dict[str, dict[int, Words]] = {}
    for one in ON_FACES:
        tell(f"{FACES}: {one.name}")
        many = {NOTHING_LEFT.name: plan.perfect, UNTOUCHED.name: max(plan.faces // 8, 3)}.get(one.name, plan.faces)
        real[one.name] = {models: words(FACES, pool.world, one, models, many) for models in plan.sizes}
    return Results(plan, alarms, said, covered, real)
