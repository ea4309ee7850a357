"""Options that a plugin declares: what is read from its source, what is refused, and what the user is told."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import PluginPackagingError, UsageError
from harness.plugins.options import DeclaredOption, check_options, read_declaration
from harness.plugins.spec import PluginSpec
from harness.runners.bundles.declared import ready_options
from tests.unit.unlearners.bench import METHODS

MODULE = b"""\
import torch

HARNESS_OPTIONS: dict[str, object] = {
    "lr": {"type": "number", "above": 0, "default": 0.1},  # a rate
    "epochs": 1,
    "shift": -1.5,
    "optimizer": ["sgd", "adam"],
    "verbose": False,
    "note": None,
}


def unlearn(model, retain, context):
    raise SystemExit("never imported")
"""
DECLARED = read_declaration(MODULE, "m.py")


def test_short_and_long_forms_are_read_from_the_source() -> None:
    assert {
        "lr": DeclaredOption("number", 0.1, above=0),
        "epochs": DeclaredOption("whole", 1),
        "shift": DeclaredOption("number", -1.5),
        "optimizer": DeclaredOption("any", "sgd", choices=("sgd", "adam")),
        "verbose": DeclaredOption("bool", False),
        "note": DeclaredOption("any", None),
    } == DECLARED


@pytest.mark.parametrize(
    "code", [b"x = 1\n", b"def f():\n    HARNESS_OPTIONS = {'lr': 1}\n", b"HARNESS_OPTIONS == 1\n"]
)
def test_a_module_without_a_declaration_accepts_any_option(code: bytes) -> None:
    declared = read_declaration(code, "m.py")

    assert declared is None
    check_options(declared, {"anything": 1}, "m")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"lr": 1, "epochs": 2.0, "shift": -3},
        {"optimizer": "adam", "verbose": True, "note": [1, {"a": None}]},
    ],
)
def test_allowed_options_pass(given: dict[str, Any]) -> None:
    check_options(DECLARED, given, "m")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"epoch": 1}, "m has no option 'epoch'. Did you mean 'epochs'?"),
        ({"learning_rate": 1}, "m has no option 'learning_rate'. Did you mean 'lr'?"),
        ({"lr": 0}, "--set lr: must be a number, above 0, not 0"),
        ({"lr": "fast"}, "--set lr: must be a number, above 0, not fast"),
        ({"lr": True}, "--set lr: must be a number, above 0, not True"),
        ({"epochs": 1.5}, "--set epochs: must be a whole number, not 1.5"),
        ({"optimizer": "adm"}, "--set optimizer: must be one of sgd, adam, not adm. Did you mean 'adam'?"),
        ({"verbose": 1}, "--set verbose: must be true or false, not 1"),
    ],
)
def test_other_options_are_refused_with_the_near_miss_and_all_options(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_options(DECLARED, given, "m")

    assert told in str(caught.value)
    assert "Options of m: epochs (a whole number), lr (a number, above 0)" in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        check_options(DECLARED, {"lr": 0, "epoch": 1}, "m")

    assert str(caught.value).count("--set") == 2


@pytest.mark.parametrize(
    ("literal", "told"),
    [
        ("dict(lr=1)", "it may contain only literals, not dict"),
        ("{'lr': 0.1 * 2}", "it may contain only literals, not *"),
        ("{'lr': f'{1}'}", "it may contain only literals"),
        ("{'lr': - - 1}", "it may contain only literals"),
        ("[1]", "must be a dictionary"),
        ("{1: 2}", "must be a dictionary"),
        ("{'lr': 1j}", "JSON"),
        ("{'lr': ", "not a literal dictionary"),
        ("[" * 50_000, "nested more than 5 levels"),
        ("{'lr': " + "(" * 9 + "1" + ")" * 9 + "}", "nested more than 5 levels"),
        ("{'a': '" + "x" * 70_000 + "'}", "not a literal dictionary"),
        ("{'lr': {'defualt': 1}}", "unknown key 'defualt'. Did you mean 'default'?"),
        ("{'lr': {'type': 'float'}}", "type must be one of number, whole, text, bool, any, not 'float'"),
        ("{'lr': {'least': 'low'}}", "least, most and above must be numbers"),
        ("{'lr': {'choices': 'ab'}}", "choices must be a list"),
    ],
)
def test_a_declaration_of_another_form_is_refused_by_its_line(literal: str, told: str) -> None:
    with pytest.raises(PluginPackagingError) as caught:
        read_declaration(f"import x\nHARNESS_OPTIONS = {literal}\n".encode(), "m.py")

    assert str(caught.value).startswith("m.py, line 2: HARNESS_OPTIONS")
    assert told in str(caught.value)


@pytest.mark.parametrize("name", METHODS)
def test_bundled_methods_declare_their_options(name: str) -> None:
    declared = ready_options(PluginSpec.parse(name))

    assert declared is not None
    with pytest.raises(UsageError, match="has no option 'nonsense'"):
        check_options(declared, {"nonsense": 1}, name)
