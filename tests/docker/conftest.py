"""Fixtures for tests with real containers: the guest image once per session, plugins made from a few lines of source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.core.outcomes import ModelOutcome
from harness.runners.base import GuestSetup, Limits, PluginBundle, Runner
from harness.runners.bundles import resolve
from harness.runners.docker import DockerRunner
from harness.runners.engine.client import Engine
from harness.runners.images.listing import GuestImage, ensure_plugin_image
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from harness_guest.protocol import Hello
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, to_json
from tests.containers import (
    RUN_ID,
    _own_cache,  # noqa: F401 -- a fixture
    engine,  # noqa: F401
    guest,  # noqa: F401
    left_behind,
    plugin_images,
    removed_later,  # noqa: F401
)
from tests.program import TASK, Program
from tests.wheels import write_wheel

SMALL = Limits(memory_mib=2048, pids=128, cpus=1.0, tmpfs_mib=64, shm_mib=64)
SPEC = ModelSpec(ArchitectureSpec("mlp", {}), (1, 8, 8), 4, (0.5,), (0.25,))

HEADER = """
import pluggy
hookimpl = pluggy.HookimplMarker("harness")
"""


@pytest.fixture
def program(
    tmp_path: Path,
    engine: Engine,
    guest: GuestImage,  # is built beforehand
    removed_later: Callable[[Iterable[str]], None],
) -> Iterator[Program]:
    before = plugin_images(engine)
    yield Program({**os.environ, "COLUMNS": "100"}, tmp_path)
    removed_later(plugin_images(engine) - before)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TASK)
    return path


@pytest.fixture(autouse=True)
def nothing_left_behind(engine: Engine) -> Iterator[None]:
    """No test leaves a container."""
    yield
    assert left_behind(engine) == []


def hello_to(runner: DockerRunner, bundle: PluginBundle) -> Hello:
    """Return the first message to a guest of ``runner``, with the network of this folder."""
    return Hello(
        plugin=bundle.facts.name,
        distribution=bundle.facts.distribution,
        model=to_json(SPEC),
        recipe=to_json(Recipe()),
        plugin_path=runner.paths.plugin_path,
        scratch=list(runner.paths.scratch),
    )


def make_wheel(folder: Path, source: str, *, name: str = "probe", files: dict[str, str] | None = None) -> Path:
    """Write a wheel of one module ``{name}_plugin`` with an unlearner ``name``."""
    module = f"{name}_plugin"
    return write_wheel(folder, f"{name}-plugin", {module: HEADER + source}, {name: module}, **(files or {}))


def write_data(path: Path) -> Path:
    """Write three splits of random pictures, readable by their owner alone, as a careful umask would have it."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split in ("retain", "forget", "validation"):
        arrays[f"{split}.inputs"] = generator.integers(0, 256, (32, *SPEC.input_shape), dtype=np.uint8)
        arrays[f"{split}.labels"] = generator.integers(0, SPEC.n_classes, 32)
    save_file(arrays, path)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data.safetensors")


@dataclass
class Bench:
    """Puts a plugin into a container and unlearns one model with it."""

    engine: Engine
    guest: GuestImage
    data_file: Path
    tags: list[str] = field(default_factory=list)

    def runner(self, spec: str, limits: Limits = SMALL) -> tuple[DockerRunner, PluginBundle]:
        """Return a runner for the plugin ``spec``."""
        bundle = resolve(spec, engine=self.engine, guest=self.guest)
        image = ensure_plugin_image(self.engine, self.guest, bundle)
        self.tags.append(image.tag)
        return DockerRunner(self.engine, image, limits), bundle

    def session(self, runner: Runner, hello: Hello, original: State, **options: Any) -> Session:
        """Return a session with guests of a runner."""
        manifest = Manifest.of(original)
        return Session(lambda: runner.start(self.setup()), hello, data=self.data_file, manifest=manifest, **options)

    def setup(self) -> GuestSetup:
        """Return the setup of a guest."""
        return GuestSetup(RUN_ID, 600)

    def unlearn(
        self,
        spec: str,
        *,
        limit_s: float | None = 60.0,
        limits: Limits = SMALL,
        import_limit_s: float = 60.0,
        **clock: Any,
    ) -> tuple[ModelOutcome, dict[str, Any], dict[str, Any]]:
        """Outcome, original state and unlearned state (empty where there is none)."""
        runner, bundle = self.runner(spec, limits)
        original = {name: tensor.numpy() for name, tensor in build_model(SPEC, 0).state_dict().items()}
        hello = hello_to(runner, bundle)
        with self.session(runner, hello, original, import_limit_s=import_limit_s) as session:
            outcome, state = session.unlearn(0, 1, original, limit_s, **clock)
        return outcome, original, state or {}


@pytest.fixture(scope="session")
def bench(
    engine: Engine, guest: GuestImage, data_file: Path, removed_later: Callable[[Iterable[str]], None]
) -> Iterator[Bench]:
    """Yield a bench; remove its plugin images at the end."""
    bench = Bench(engine, guest, data_file)
    yield bench
    removed_later(bench.tags)


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., str]:
    """``plugin(source)`` writes a wheel and returns its path, to be given as ``--plugin``."""
    return lambda source, **options: str(make_wheel(tmp_path, source, **options))
