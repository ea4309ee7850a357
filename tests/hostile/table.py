"""The table of attacks for the documentation: only what is the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import PROMISES, Attack
from harness.doctor.attacks.catalogue import ATTACKS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "attacks.md"

HEAD = """# Attacks

Every attack on this page is a plugin that `python -m pytest tests/hostile` and `harness doctor --attack` run in real containers.
`python -m pytest tests/hostile --write-attack-table` writes this page from the observed results. The sandbox withstands an attack
if:

- its model ends in time with exactly the [status](statuses.md) below,
- it got nothing forbidden,
- no process of it survives, and
- the next, honest model in the same sandbox comes back unchanged.

An attack with two statuses leaves something for a second model. "Defeated by" is the weakest isolation (`--isolation`) that
defeats the attack. Attacks that only `model` defeats succeed if one sandbox serves all models; a test verifies this.
"""
COLUMNS = "| attack | what it tries | status | defeated by |\n| --- | --- | --- | --- |\n"


def render(statuses: Mapping[str, tuple[Status, ...]]) -> str:
    """Return the page.

    Args:
        statuses: attack's name -> statuses of its models.
    """
    parts = [HEAD]
    for promise, words in PROMISES.items():
        rows = [_row(attack, statuses[attack.name]) for attack in ATTACKS if attack.promise == promise]
        parts.append(f"## Promise {promise}: {words}\n\n{COLUMNS}{''.join(rows)}")
    return "\n".join(parts)


def _row(attack: Attack, statuses: tuple[Status, ...]) -> str:
    ended = ", ".join(f"`{status.value}`" for status in statuses)
    return f"| `{attack.name}` | {attack.tries} | {ended} | `{attack.defeated_by}` |\n"
