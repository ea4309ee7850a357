"""One warm guest for all tests of a session that do not need their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.guest.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    with lab.session:
        yield lab
