"""Fixtures for attacks on real containers: one image with all hostile plugins, few containers that serve many attacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.core.progress import SilentProgress
from harness.doctor.attacks.attack import Attack, Finding
from harness.doctor.attacks.catalogue import ATTACKS
from harness.doctor.attacks.environment import AttackEnvironment, prepared
from harness.doctor.attacks.session import AttackSession, Isolation
from harness.runners.engine.client import Engine
from harness.runners.engines import DOCKER
from tests.containers import _own_cache, engine, guest, removed_later  # noqa: F401 -- fixtures

WRITE_TABLE = "--write-attack-table"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE_TABLE, action="store_true", help="Write docs/reference/attacks.md from what was observed.")


class Field:
    """Sessions that stay open from attack to attack, and what came of each attack."""

    def __init__(self, environment: AttackEnvironment) -> None:
        self.environment = environment
        self.findings: dict[str, Finding] = {}
        self._sessions: dict[Isolation, AttackSession] = {}
        self._open = ExitStack()

    def run(self, attack: Attack, isolation: Isolation) -> Finding:
        """Run an attack; keep the finding for the table if the isolation is the weakest that should defeat it."""
        if isolation not in self._sessions:
            self._sessions[isolation] = self._open.enter_context(AttackSession(self.environment, isolation))
        finding = self._sessions[isolation].run(attack)
        if isolation == attack.defeated_by:
            self.findings[attack.name] = finding
        return finding

    def close(self) -> None:
        """End all sessions."""
        self._sessions.clear()
        self._open.close()


@pytest.fixture(scope="session")
def field(engine: Engine) -> Iterator[Field]:
    """All attacks, ready to be carried out."""
    with prepared(DOCKER, ATTACKS, SilentProgress()) as environment:
        field = Field(environment)
        try:
            yield field
        finally:
            field.close()
