"""``kill -9`` of the program at any moment: nothing that was finished is lost, done again or left behind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.functional.ground import Ground
from tests.functional.killing import TRIAL_TASK, Chain, random_chain, until_there
from tests.program import numbers_of, report_of

KILLS = 50
LANES = 2


def _model_file(chain: Chain, index: int, name: str) -> Callable[[], Path]:
    return lambda: chain.folder / "models" / f"{index:04d}" / name


def test_a_run_killed_three_times_gives_the_numbers_of_an_undisturbed_one(ground: Ground) -> None:
    moments = random.Random(0)
    chain = ground.chain("thrice", cold=False, forked=True)  # new interpreters: below, and in test_reaping.py
    for path in (
        lambda: chain.folder / "run.json",
        _model_file(chain, 0, "attempts.json"),
        _model_file(chain, 1, "outcome.json"),
    ):
        assert not chain.kill_after(until_there(path, moments.uniform(0.0, 0.2)))
    chain.finish()

    assert numbers_of(chain.folder) == ground.numbers
    assert max(model["attempts"] for model in report_of(chain.folder)["models"]) > 1


@pytest.mark.slow
def test_fifty_kills_at_random_moments_lose_nothing(
    new_ground: Callable[[str], Ground], capsys: pytest.CaptureFixture[str]
) -> None:
    ground = new_ground(TRIAL_TASK)
    chains: list[Chain] = []

    def lane(seeds: Iterator[int]) -> None:
        while sum(chain.kills for chain in chains) < KILLS:
            seed = next(seeds)
            chain = ground.chain(f"chain-{seed}", cold=seed % 4 < 3)
            chains.append(chain)
            random_chain(chain, seed, most=7)
            assert numbers_of(chain.folder) == ground.numbers

    with ThreadPoolExecutor(LANES) as lanes:
        for future in [lanes.submit(lane, count(first, LANES)) for first in range(LANES)]:
            future.result()

    moments: Counter[str] = sum((chain.moments for chain in chains), Counter())
    with capsys.disabled():
        print(f"\n{_account(chains, moments)}")  # noqa: T201  (what the trials were)
    assert moments.total() >= KILLS


def _account(chains: list[Chain], moments: Counter[str]) -> str:
    models: list[dict[str, Any]] = [model for chain in chains for model in report_of(chain.folder)["models"]]
    again = sum(model["attempts"] - 1 for model in models)
    fell = ", ".join(f"{number} {moment}" for moment, number in moments.most_common())
    return (
        f"{moments.total()} kills in {len(chains)} runs ({fell}); {again} attempts at models were lost and made again."
    )
