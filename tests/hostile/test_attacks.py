"""Every attack of the catalogue against real containers, and what must be so when all are over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness.doctor.attacks.attack import Attack, Finding
from harness.doctor.attacks.catalogue import ATTACKS
from tests.hostile.conftest import WRITE_TABLE, Field
from tests.hostile.table import PAGE, render

pytestmark = pytest.mark.docker

FOR_RUN = [attack for attack in ATTACKS if attack.defeated_by == "run"]
FOR_MODEL = [attack for attack in ATTACKS if attack.defeated_by == "model"]
STATE = [attack for attack in FOR_RUN if len(attack.expected) > 1]


@pytest.fixture(scope="module", autouse=True)
def before() -> dict[str, set[str]]:
    """Return the state of the engine and this process before the first attack."""
    return _belongings()


def _belongings() -> dict[str, set[str]]:
    client = docker.from_env()
    try:
        volumes = {volume.name for volume in client.volumes.list()}
        networks = {network.id for network in client.networks.list()}
    finally:
        client.close()
    return {"volumes": volumes, "networks": networks, "processes": set(_children())}


def _children() -> Iterator[str]:
    for task in Path("/proc/self/task").iterdir():
        yield from (task / "children").read_text().split()


def _explained(finding: Finding) -> str:
    faults = "; ".join(finding.faults) or finding.skipped
    return f"{finding.attack.name} ({finding.attack.tries}): {faults}"


@pytest.mark.parametrize("attack", FOR_RUN, ids=lambda attack: attack.name)
def test_the_sandbox_withstands(attack: Attack, field: Field) -> None:
    finding = field.run(attack, "run")

    assert finding.held, _explained(finding)


@pytest.mark.parametrize("attack", FOR_MODEL, ids=lambda attack: attack.name)
def test_a_sandbox_of_its_own_for_every_model_withstands(attack: Attack, field: Field) -> None:
    finding = field.run(attack, "model")

    assert finding.held, _explained(finding)


@pytest.mark.slow
@pytest.mark.parametrize("attack", STATE, ids=lambda attack: attack.name)
def test_a_sandbox_of_its_own_for_every_model_withstands_too(attack: Attack, field: Field) -> None:
    finding = field.run(attack, "model")

    assert finding.held, _explained(finding)


@pytest.mark.parametrize("attack", FOR_MODEL, ids=lambda attack: attack.name)
def test_one_sandbox_for_all_models_does_not_withstand(attack: Attack, field: Field) -> None:
    """The table says so: an attack that it does withstand belongs to the others."""
    finding = field.run(attack, "run")

    assert any(fault.startswith("it reached") for fault in finding.faults)


def test_the_documented_table_is_what_was_seen(field: Field, request: pytest.FixtureRequest) -> None:
    if len(field.findings) < len(ATTACKS):
        pytest.skip("only when all attacks were carried out")
    page = render({name: finding.statuses for name, finding in field.findings.items()})
    if request.config.getoption(WRITE_TABLE, default=False):
        PAGE.write_text(page)

    assert page == PAGE.read_text(), "python -m pytest tests/hostile --write-attack-table"


def test_nothing_is_left_behind(field: Field, before: dict[str, set[str]]) -> None:
    field.close()

    assert field.environment.remains() == []
    assert {name: found - before[name] for name, found in _belongings().items()} == {key: set() for key in before}
