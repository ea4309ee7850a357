"""The table of attacks for the documentation: only what is the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.attacks.catalogue import ATTACKS
from harness.attacks.model import PROMISES, Attack
from harness.outcomes import Status

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "attacks.md"

HEAD = """# Attacks

Every attack here is a plugin that `python -m pytest tests/hostile` and `harness doctor --attack` run in real containers. The
suite writes this page from what it saw: `python -m pytest tests/hostile --write-attack-table`. An attack is withstood when its
model ends with exactly the [status](statuses.md) below, in time; when it got nothing that it must not get; when nothing of it
lives on; and when an honest model that follows in the same sandbox comes back unharmed. An attack with two statuses leaves
something for a second model. "Defeated by" names the weakest isolation (`--isolation`) that withstands it: what is defeated by
`model` alone comes through where one sandbox serves all models, and a test makes sure that this is still said truly.
"""
COLUMNS = "| attack | what it tries | ended as | defeated by |\n| --- | --- | --- | --- |\n"


def render(statuses: Mapping[str, tuple[Status, ...]]) -> str:
    """The page.

    Args:
        statuses: attack's name -> how its models ended.
    """
    parts = [HEAD]
    for promise, words in PROMISES.items():
        rows = [_row(attack, statuses[attack.name]) for attack in ATTACKS if attack.promise == promise]
        parts.append(f"## Promise {promise}: {words}\n\n{COLUMNS}{''.join(rows)}")
    return "\n".join(parts)


def _row(attack: Attack, statuses: tuple[Status, ...]) -> str:
    ended = ", ".join(f"`{status.value}`" for status in statuses)
    return f"| `{attack.name}` | {attack.tries} | {ended} | `{attack.defeated_by}` |\n"
