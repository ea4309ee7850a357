"""What ``--plugin`` names is told from its text alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plugins.spec import PluginSpec


@pytest.mark.parametrize(
    ("text", "kind", "stem", "choice"),
    [
        ("finetune", "name", "finetune", None),
        ("finetune#a", "name", "finetune", "a"),
        ("method-1.0-py3-none-any.whl", "wheel", "method-1.0-py3-none-any.whl", None),
        ("~/wheels/method-1.0-py3-none-any.whl#b", "wheel", "~/wheels/method-1.0-py3-none-any.whl", "b"),
        ("./method", "source", "./method", None),
        (".", "source", ".", None),
        ("a/b#c", "source", "a/b", "c"),
        ("~method", "source", "~method", None),
        ("method==1.0", "requirement", "method==1.0", None),
        ("method>=1,<2#c", "requirement", "method>=1,<2", "c"),
        ("method==", "name", "method==", None),
        ("method @ https", "name", "method @ https", None),
        ("finetune#", "name", "finetune", None),
        ("method.py", "script", "method.py", None),
        ("a/b#c.py:unlearn", "script", "a/b#c.py", "unlearn"),
        ("~/notebook.ipynb:f", "script", "~/notebook.ipynb", "f"),
        ("method.py:", "script", "method.py", None),
        ("method.py:a/b", "source", "method.py:a/b", None),
        ("method.pyc", "name", "method.pyc", None),
    ],
)
def test_the_kind_follows_from_the_text(text: str, kind: str, stem: str, choice: str | None) -> None:
    spec = PluginSpec.parse(text)

    assert (spec.kind, spec.text, spec.choice) == (kind, stem, choice)
    assert PluginSpec.parse(str(spec)) == spec


def test_only_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")

    assert str(PluginSpec.parse("./method#a").absolute()) == f"{tmp_path}/method#a"
    assert str(PluginSpec.parse("method.py:f").absolute()) == f"{tmp_path}/method.py:f"
    assert str(PluginSpec.parse("~/x.whl").absolute()) == "/home/somebody/x.whl"
    assert str(PluginSpec.parse("method==1.0").absolute()) == "method==1.0"
    assert str(PluginSpec.parse("method").absolute()) == "method"
