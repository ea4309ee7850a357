"""Every bundled method passes the kit; :mod:`tests.conformance.test_checks` tries one whenever there is little time."""

from __future__ import annotations

import pytest

from harness.plugins.discovery import UNLEARNERS, find_plugins
from tests.conformance.conftest import Stand

METHODS = {plugin.name: plugin.value for plugin in find_plugins(UNLEARNERS) if plugin.bundled}
EXPECTED = {"retrain": {"keeps-its-budget"}}
"""The gold standard trains by the recipe and keeps no limit, as it says."""


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_bundled_method_passes_every_check(name: str, stand: Stand) -> None:
    findings = stand.findings(f"from {METHODS[name]} import unlearn").values()

    failed = {one.check.name: one.detail for one in findings if one.status == "fail"}
    assert failed.keys() == EXPECTED.get(name, set()), failed
