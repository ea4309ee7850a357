"""The reference pages say what the code has."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from harness.cli.root import cli
from harness.outcomes import Status
from harness_guest.context import Context
from harness_guest.data import SplitData
from harness_guest.hookspecs import unlearn

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def _rows(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", (REFERENCE / page).read_text(), flags=re.MULTILINE))


def test_every_status_is_documented_and_no_other() -> None:
    assert _rows("statuses.md") == {status.value for status in Status}


def test_every_argument_of_the_hook_is_documented() -> None:
    assert set(inspect.signature(unlearn).parameters) <= _rows("unlearners.md")


def test_every_public_attribute_of_the_context_is_documented() -> None:
    attributes = {one.name for one in dataclasses.fields(Context)}
    attributes |= {name for name, value in vars(Context).items() if isinstance(value, property)}

    assert {name for name in attributes if not name.startswith("_")} <= _rows("unlearners.md")


def test_the_documented_loader_has_the_loaders_signature() -> None:
    page = (REFERENCE / "unlearners.md").read_text()
    documented = re.search(r"`split\.loader\(([^`]*)\)`", page)
    assert documented is not None
    names = [part.split("=")[0].strip() for part in re.sub(r"\(\)", "", documented[1]).split(",")]

    assert names == [name for name in inspect.signature(SplitData.loader).parameters if name != "self"]


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_is_documented_with_its_options(command: str) -> None:
    page = (REFERENCE / "cli.md").read_text()
    group = cli.commands[command]
    commands = getattr(group, "commands", {"": group})

    missing = [
        option for one in commands.values() for p in one.params for option in p.opts if f"`{option}`" not in page
    ]
    assert f"## harness {command}" in page
    assert [option for option in missing if option.startswith("--")] == []


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT) for path in ROOT.glob("docs/**/*.md")), ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text())
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (ROOT / page.parent / target).exists()] == []
