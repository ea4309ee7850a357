"""Fixtures for all tests with real containers, and what keeps runs of the suite apart that share one engine."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from harness.errors import DockerUnavailableError
from harness.runners.engine.client import Engine
from harness.runners.engine.owners import Owner
from harness.runners.engine.reaper import RUN, orphaned, owner_of
from harness.runners.images.listing import GuestImage, ensure_guest_image, list_images

RUN_ID = f"tests-{secrets.token_hex(4)}"
"""Names the containers of this process's tests."""


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from or left in the user's cache; images that the engine has are used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return this machine's engine."""
    try:
        return Engine.connect()
    except DockerUnavailableError as error:
        pytest.skip(f"no Docker engine: {error}")


@pytest.fixture(scope="session")
def guest(engine: Engine) -> GuestImage:
    """Return the guest image with the host's torch; build it if missing."""
    return ensure_guest_image(engine)


@pytest.fixture(scope="session")
def removed_later(engine: Engine) -> Iterator[Callable[[Iterable[str]], None]]:
    """``removed_later(tags)``: these images go when the last run of the suite ends that may need them as well."""
    with Path(tempfile.gettempdir(), "unlearning-harness-test-images").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        def note(tags: Iterable[str]) -> None:
            file.write("".join(f"{tag}\n" for tag in tags))
            file.flush()

        yield note
        with contextlib.suppress(BlockingIOError):  # another run goes on, and removes them
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            for tag in set(file.read().split()):
                engine.remove_image(tag)
            file.truncate(0)


def plugin_images(engine: Engine) -> set[str]:
    """Return the tags of all images of plugins."""
    return {image.tag for image in list_images(engine) if image.kind == "plugin"}


def left_behind(engine: Engine) -> list[str]:
    """Return the names of containers that this process's tests have left; those of living processes are theirs."""
    states = engine.containers({RUN: None})
    ours = [state for state in states if orphaned(state.labels) or owner_of(state.labels) == Owner.current()]
    return [state.name for state in ours if state.labels[RUN] in (RUN_ID, "oneshot")]
