"""``harness new``, as its users give it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.new import LICENCES
from harness.cli.root import cli
from harness.newplugin import rendering
from harness.plugins.options import read_declaration


def test_a_package_is_made_and_the_next_steps_are_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["new", "my-toy", "--dir", str(tmp_path), "--author", "Ada <ada@example.org>"])

    assert result.exit_code == 0, result.output
    assert (tmp_path / "my-toy" / "src" / "my_toy" / "__init__.py").is_file()
    assert 'name = "Ada"' in (tmp_path / "my-toy" / "pyproject.toml").read_text()
    assert "pip install -e '.[test]'" in result.output


@pytest.mark.parametrize(("arguments", "code"), [(["class"], 14), (["my-toy"], 45), (["other", "--author", "<"], 2)])
def test_what_cannot_be_made_ends_with_a_code_of_its_own_and_makes_nothing(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "my-toy").mkdir()
    (tmp_path / "my-toy" / "mine.txt").write_text("mine")
    result = CliRunner().invoke(cli, ["new", *arguments, "--dir", str(tmp_path)])

    assert result.exit_code == code, result.output
    assert [path.name for path in tmp_path.rglob("*")] == ["my-toy", "mine.txt"]


def test_a_package_is_made_of_a_file_and_keeps_its_function(tmp_path: Path) -> None:
    code = "def unlearning(net, retain_loader, lr=0.1):\n    return 'é'\n"
    (tmp_path / "my_toy.py").write_text(code, "utf-8")
    result = CliRunner().invoke(cli, ["new", "--from", f"{tmp_path}/my_toy.py:unlearning", "--dir", str(tmp_path)])

    assert result.exit_code == 0, result.output
    package = tmp_path / "my_toy" / "src" / "my_toy"
    assert {path.name for path in package.iterdir()} == {"__init__.py", "adapters.py", "my_toy.py", "py.typed"}
    assert (package / "my_toy.py").read_text("utf-8") == code
    assert '"net": "model"' in (package / "__init__.py").read_text()
    assert "src/my_toy/my_toy.py" in result.output


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_bytes("# coding: latin-1\ndef unlearn(model): 'é'\n".encode("latin-1"))
    result = CliRunner().invoke(cli, ["new", "--from", f"{tmp_path}/toy.py", "--dir", str(tmp_path)])

    assert result.exit_code == 13, result.output
    assert not (tmp_path / "toy").exists()


def test_what_the_file_needs_is_in_the_package(tmp_path: Path) -> None:
    block = "# /// script\n# dependencies = ['einops>=0.8']\n# ///\n"
    (tmp_path / "toy.py").write_text(f"{block}def unlearning(net, retain):\n    return net\n")
    result = CliRunner().invoke(cli, ["new", "--from", f"{tmp_path}/toy.py", "--dir", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert (
        'dependencies = ["pluggy>=1.3", "torch>=2.4", "einops>=0.8"]' in (tmp_path / "toy/pyproject.toml").read_text()
    )


@pytest.mark.parametrize(
    ("options", "declared"),
    [
        ("HARNESS_OPTIONS = {'lr': 0.1}\n", {"lr": 0.1}),
        (
            'HARNESS_OPTIONS: dict = {\n    "lr": {"default": 0.1, "above": 0},  # rate\n    "way": ["a", "b"],\n}\n',
            None,
        ),
        ("HARNESS_OPTIONS = {}\n", {}),
    ],
)
def test_options_that_the_file_declares_are_declared_by_the_package(
    tmp_path: Path, options: str, declared: dict[str, object] | None
) -> None:
    (tmp_path / "toy.py").write_text(f"{options}\ndef unlearn(model, retain, context):\n    return model\n")
    result = CliRunner().invoke(cli, ["new", "--from", f"{tmp_path}/toy.py", "--dir", str(tmp_path)])
    code = (tmp_path / "toy/src/toy/__init__.py").read_bytes()

    assert result.exit_code == 0, result.output
    assert read_declaration(code, "") == read_declaration(options.encode(), "")
    assert declared is None or list(read_declaration(code, "") or {}) == list(declared)


def test_a_file_with_an_invalid_declaration_of_options_makes_no_package(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text("HARNESS_OPTIONS = {'lr': float('inf')}\ndef unlearn(model): pass\n")
    result = CliRunner().invoke(cli, ["new", "--from", f"{tmp_path}/toy.py", "--dir", str(tmp_path)])

    assert result.exit_code == 13, result.output
    assert "toy.py, line 1: HARNESS_OPTIONS is not a literal" in result.output
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("arguments", [[], ["--from", "method"], ["toy", "--adapter", "kit", "--from", "x.whl"]])
def test_a_package_needs_a_name_or_a_file(tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["new", *arguments, "--dir", str(tmp_path)])

    assert result.exit_code == 2, result.output
    assert list(tmp_path.iterdir()) == []


def test_the_command_offers_the_licences_that_there_are() -> None:
    assert LICENCES == rendering.LICENCES
