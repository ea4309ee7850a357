"""Which function of a script runs, and by which adapter, follows from its syntax tree alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.choices import Adapter
from harness.errors import HarnessError, PluginNotFoundError, PluginPackagingError
from harness.runners.bundles.functions import ScriptFunction, choose_function

KIT = {"net": "model", "retain": "retain", "forget": "forget", "validation": "validation"}
CHALLENGE = {"net": "model", "retain_loader": "retain", "forget_loader": "forget", "val_loader": "validation"}
READS_DICTS = "    for batch in retain_loader:\n        net(batch['image'])\n"


def _chosen(code: str, wanted: str | None = None, adapter: Adapter = "auto") -> ScriptFunction:
    return choose_function(code.encode(), "method.py", wanted, adapter)


@pytest.mark.parametrize(
    ("code", "adapter", "roles"),
    [
        ("def unlearn(model, context): ...", "hook", {"model": "model", "context": "context"}),
        ("@hookimpl\ndef unlearn(forget): ...", "hook", {"forget": "forget"}),
        ("def unlearning(net, retain, forget, validation): ...", "kit", KIT),
        ("def unlearning(net, retain, forget, validation, lr=0.1, *, epochs=1): ...", "kit", KIT),
        ("def unlearning(net, retain_loader, forget_loader, val_loader): ...", "kit", CHALLENGE),
        ("def unlearning(net, context): ...", "kit", {"net": "model", "context": "context"}),
        (f"def unlearning(net, retain_loader, forget_loader, val_loader):\n{READS_DICTS}", "challenge", CHALLENGE),
        ("def unlearning(model, retain): ...", "kit", {"model": "model", "retain": "retain"}),
        ("def unlearning(model, retain, context): ...", "hook", {n: n for n in ("model", "retain", "context")}),
        ("def unlearning(model, retain):\n    retain.loader()", "hook", {"model": "model", "retain": "retain"}),
        (
            "def f(model, forget):\n    [b['age_group'] for b in forget]",
            "challenge",
            {"model": "model", "forget": "forget"},
        ),
        ("def f(model, forget):\n    context['lr']", "hook", {"model": "model", "forget": "forget"}),
    ],
)
def test_the_adapter_follows_from_names_and_body(code: str, adapter: str, roles: Mapping[str, str]) -> None:
    found = _chosen(code)

    assert (found.adapter, dict(found.roles)) == (adapter, roles)


def test_keys_that_called_functions_read_count_too() -> None:
    helpers = f"def epoch(net, retain_loader):\n{READS_DICTS}\ndef both(net, loader):\n    (epoch, both)\n"
    code = f"{helpers}def unlearning(net, retain_loader):\n    both(net, retain_loader)\n"

    assert _chosen(code).adapter == "challenge"
    assert _chosen(f"{helpers}def unlearning(net, retain_loader): ...").adapter == "kit"


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("def train(net, retain): ...\ndef unlearning(net, retain): ...\ndef unlearn(model): ...", "unlearn", 3),
        ("def train(net, retain): ...\ndef unlearning(net, retain): ...", "unlearning", 2),
        ("def accuracy(net, loader): ...\ndef count(model): ...\ndef ascend(net, forget): ...", "ascend", 3),
        ("def unlearn(model): ...\ndef unlearn(model, retain): ...", "unlearn", 2),
        ("class A:\n    def unlearn(self): ...\ndef mine(model, forget): ...", "mine", 3),
    ],
)
def test_a_known_name_or_the_only_fitting_function_is_chosen(code: str, name: str, line: int) -> None:
    found = _chosen(code)

    assert (found.name, found.line) == (name, line)


def test_the_user_s_choice_comes_first() -> None:
    assert _chosen("def unlearn(model): ...\ndef other(model): ...", "other").name == "other"


def test_a_named_adapter_fills_unknown_parameters_by_position() -> None:
    found = _chosen("def f(a, b, c=1): ...", "f", "challenge")

    assert (found.adapter, dict(found.roles)) == ("challenge", {"a": "model", "b": "retain"})


@pytest.mark.parametrize(
    ("code", "wanted", "adapter", "error", "message"),
    [
        ("def a(net, retain): ...\ndef b(net, forget): ...", None, "auto", PluginPackagingError,
         r"a\(net, retain\) in line 1, b\(.*line 2.*method.py:a"),
        ("def a(x): ...", None, "auto", PluginPackagingError, r"no function that takes a model and data.*a\(x\) in line 1"),
        ("", None, "auto", PluginPackagingError, "Its functions: none"),
        ("def a(x): ...", "b", "auto", PluginNotFoundError, r"no function 'b'.*a\(x\) in line 1"),
        ("def unlearn(model, data): ...", None, "auto", PluginPackagingError,
         r"unlearn\(model, data\) in line 1: it knows no value for data"),
        ("def unlearn(net): ...", None, "hook", PluginPackagingError, "no value for net"),
        ("def unlearn(*args): ...", None, "auto", PluginPackagingError, "no value for its parameters"),
        ("def f(a, b, c, d, e): ...", "f", "kit", PluginPackagingError, "no value for e"),
        ("def unlearn(:", None, "auto", PluginPackagingError, "cannot be parsed.*line 1"),
        ("x = '\0'", None, "auto", PluginPackagingError, "cannot be parsed"),
        ("(" * 9000, None, "auto", PluginPackagingError, "cannot be parsed"),
    ],
)  # fmt: skip
def test_what_determines_no_function_is_refused_with_the_candidates(
    code: str, wanted: str | None, adapter: Adapter, error: type[HarnessError], message: str
) -> None:
    with pytest.raises(error, match=message):
        _chosen(code, wanted, adapter)
