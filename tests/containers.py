"""Fixtures for all tests with real containers: the engine, and the guest image once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.errors import DockerUnavailableError
from harness.runners.engine import Engine
from harness.runners.images import GuestImage, ensure_guest_image


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from or left in the user's cache; images that the engine has are used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine."""
    try:
        return Engine.connect()
    except DockerUnavailableError as error:
        pytest.skip(f"no Docker engine: {error}")


@pytest.fixture(scope="session")
def guest(engine: Engine) -> GuestImage:
    """The guest image with the host's torch, built when it is not there."""
    return ensure_guest_image(engine)
