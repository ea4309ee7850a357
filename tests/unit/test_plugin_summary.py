"""A plugin is shown by its own files, none of which is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.root import cli
from harness.errors import PluginNotFoundError, PluginPackagingError, UsageError
from harness.plugins.discovery import UNLEARNERS, find_plugins
from harness.runners.bundles.describing import describe, docstring
from tests.unit.conftest import Install

SOURCE = '''"""Forget by wishing.

A second paragraph that
goes on.
"""
raise SystemExit("imported")
HARNESS_OPTIONS = {"lr": {"type": "number", "above": 0, "default": 0.1, "help": "Learning [rate]."}, "mode": ["a", "b"]}
def unlearn(model, retain):
    pass
'''


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["plugins", *map(str, arguments)])


@pytest.mark.parametrize("name", [one.name for one in find_plugins(UNLEARNERS) if one.bundled])
def test_every_bundled_method_has_a_description_and_declared_options(name: str) -> None:
    found = describe(name)

    assert found.docstring
    assert found.options is not None
    assert found.source == f"harness_unlearners/{name}.py"
    assert call(name).exit_code == 0


def test_an_installed_plugin_is_read_and_not_imported(install: Install) -> None:
    site = install("wish-dist", "2.0", {UNLEARNERS: {"wish": "wish"}}, {"wish.py": SOURCE})
    info = site / "wish_dist-2.0.dist-info"
    with (info / "METADATA").open("a") as metadata:
        metadata.write("Summary: Wishful thinking\nProject-URL: Source, https://example.org/wish\n")
        metadata.write("Author: Zoë\nAuthor-email: Ada Lovelace <ada@example.org>, nobody@example.org\n")
    names = [path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*names, f"{info.name}/RECORD"]))
    found = describe("wish")

    assert (found.distribution, found.version, found.about) == ("wish-dist", "2.0", "Wishful thinking")
    assert found.links == (("Source", "https://example.org/wish"),)
    assert found.authors == ("Zoë", "Ada Lovelace")
    assert found.docstring.startswith("Forget by wishing.")
    assert found.options is not None
    assert found.options["mode"].default == "a"
    output = call("wish").output
    assert "A second paragraph that goes on." in output
    assert "Learning [rate]." in output
    assert "harness run --plugin wish --set lr=VALUE" in output


def test_a_script_is_shown_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "wish.py").write_text(SOURCE)
    found = json.loads(call(tmp_path / "wish.py", "--json").output)

    assert (found["name"], found["value"], found["distribution"]) == ("wish", "unlearn", "")
    assert found["options"]["lr"]["above"] == 0


def test_a_plugin_that_declares_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("def unlearn(model, retain):\n    pass\n")
    output = call(tmp_path / "plain.py").output

    assert "It has no description." in output
    assert "declares no options" in output
    assert json.loads(call(tmp_path / "plain.py", "--json").output)["options"] is None


def test_an_unknown_plugin_and_one_that_must_be_built_are_errors(tmp_path: Path) -> None:
    ended = call("finetun")
    assert (ended.exit_code, "Did you mean 'finetune'" in ended.output) == (PluginNotFoundError.exit_code, True)
    assert call(f"{tmp_path}/").exit_code == UsageError.exit_code
    assert call("wish==1.0").exit_code == UsageError.exit_code
    assert call("--json").exit_code == UsageError.exit_code
    (tmp_path / "bad.py").write_text("HARNESS_OPTIONS = [1]\ndef unlearn(model, retain): ...\n")
    assert call(tmp_path / "bad.py").exit_code == PluginPackagingError.exit_code


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (b'\n# comment\n"""Text\n\n    more"""', "Text\n\nmore"),
        (b"'one' 'two'", "one"),
        (b"x = 1", ""),
        (b'f"{x}"', ""),
        (b'b"bytes"', ""),
        (b"", ""),
        (b'"""open', ""),
        (b"(" * 100_000, ""),
        (b"\xff\x00\x01", ""),
    ],
)
def test_a_docstring_is_the_first_token_of_any_bytes(code: bytes, found: str) -> None:
    assert docstring(code) == found


def test_texts_of_a_plugin_cannot_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "wish.py").write_text('"""[bold]\\x1b[31m"""\ndef unlearn(model, retain): ...\n')

    assert "[bold]\\x1b[31m" in call(tmp_path / "wish.py").output
