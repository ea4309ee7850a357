"""Fixtures for unit tests: real distributions on a temporary ``sys.path`` entry, a cache of the test's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution: ``install("name", "1.0", {"group": {"point": "module"}}, {"module.py": "source"})``."""
    number = 0

    def _install(
        name: str, version: str, points: dict[str, dict[str, str]], files: dict[str, str] | None = None
    ) -> Path:
        nonlocal number
        number += 1
        site = tmp_path / f"site-{number}"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = []
        for group, entries in points.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for path, source in (files or {}).items():
            (site / path).write_text(source)
        monkeypatch.syspath_prepend(str(site))
        for path in files or {}:
            monkeypatch.delitem(sys.modules, path.removesuffix(".py"), raising=False)
        return site

    return _install
