"""Entry points and hooks that are nearly right: the message names the slip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness_guest.plugin import PluginSetupError, load_unlearner
from tests.unit.guest.lab import write_distribution

MARKED = 'import pluggy, functools\nhookimpl = pluggy.HookimplMarker("harness")\n'
HOOK = "@hookimpl\ndef unlearn(model): return model\n"
SLIPS = {
    "function": (MARKED + HOOK, ":unlearn", "names a function; a plugin must be its module: name slip"),
    "class": (
        MARKED + "class M:\n    @hookimpl\n    def unlearn(self, model): return model\n",
        ":M",
        "names a class; a plugin must be a module or an object: write `plugin = M()` in slip",
    ),
    "partial hook": (
        MARKED + "unlearn = hookimpl(functools.partial(lambda model, k: model, k=3))\n",
        "",
        "its unlearn is a partial, which pluggy does not accept",
    ),
    "partial named": (MARKED + "p = functools.partial(print)\n", ":p", "names a function"),
    "method named": (MARKED + "class M:\n    def unlearn(self): ...\nm = M().unlearn\n", ":m", "names a function"),
    "a value": (MARKED + "unlearn = 5\n", "", "its unlearn is a int"),
    "no mark": ("def unlearn(model): return model\n", "", "its function unlearn is not marked"),
    "another project": (MARKED.replace('"harness"', '"pytest"') + HOOK, "", "is marked for the project 'pytest'"),
    "no hook": (MARKED, "", "it has no function unlearn"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slip: str) -> None:
    source, value, said = SLIPS[slip]
    module = f"slip_{list(SLIPS).index(slip)}"
    write_distribution(tmp_path, "slip", module + value, "slip")
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(PluginSetupError) as caught:
        load_unlearner("slip", "slip", str(tmp_path))

    assert said in str(caught.value)


def test_an_object_with_the_hook_is_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_distribution(tmp_path, "slip", "slip_object:plugin", "slip")
    (tmp_path / "slip_object.py").write_text(SLIPS["class"][0] + "plugin = M()\n")
    monkeypatch.setattr(sys, "path", [*sys.path])

    hook = load_unlearner("slip", "slip", str(tmp_path))

    assert hook(model=3, retain=0, forget=0, validation=0, context=0) == 3
