"""A warm guest for tests, and a plugin in it that is rewritten for every model."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from harness.core.outcomes import ModelOutcome
from harness.runners.base import GuestSetup, Limits
from harness.runners.process import ProcessRunner
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from harness_guest.protocol import Hello
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, to_json

SPEC = ModelSpec(ArchitectureSpec("mlp", {"hidden": [8]}), (1, 6, 6), 3, (0.5,), (0.25,))
RECIPE = Recipe(epochs=1, batch_size=8, lr=0.05, augment=("horizontal-flip",))
SIZES = {"retain": 40, "forget": 8, "validation": 0}
HEAD_BYTES = 2048
TAIL_BYTES = 1024
LIMIT_S = 60.0
"""Far above what any model here needs: only a hang reaches it."""

PREAMBLE = """
import os, signal, sys, time
import pluggy
import torch
hookimpl = pluggy.HookimplMarker("harness")
"""


def original_state() -> State:
    """Return the weights of a small network."""
    return {name: tensor.numpy() for name, tensor in build_model(SPEC, 1).state_dict().items()}


def write_data(path: Path) -> Path:
    """Write a data file with random images."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, n_examples in SIZES.items():
        arrays[f"{name}.inputs"] = rng.integers(0, 256, (n_examples, 1, 6, 6), dtype=np.uint8)
        arrays[f"{name}.labels"] = rng.integers(0, 3, n_examples)
    safetensors.numpy.save_file(arrays, path)
    return path


def write_distribution(folder: Path, name: str = "probe", module: str = "probe", point: str = "probe") -> None:
    """Write the metadata of an installed distribution with one unlearner."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness.unlearners]\n{point} = {module}\n")


class Lab:
    """Runs pieces of plugin code in a real guest process.

    Args:
        folder: for data and plugin.
        isolation, import_limit_s: as :class:`Session` has them.
        hello: fields of HELLO that differ from the usual.
    """

    def __init__(self, folder: Path, isolation: Any = "run", import_limit_s: float = LIMIT_S, **hello: Any) -> None:
        self.plugin_path = folder / "plugin"
        write_distribution(self.plugin_path)
        self.original = original_state()
        self.runner = ProcessRunner(self.plugin_path, 1, Limits())
        self._setup = GuestSetup("lab")
        data = write_data(folder / "data.safetensors")
        fields = {"plugin": "probe", "distribution": "probe", "model": to_json(SPEC), "recipe": to_json(RECIPE)}
        paths = {"plugin_path": self.runner.paths.plugin_path, "scratch": list(self.runner.paths.scratch)}
        logs = {"log_head_bytes": HEAD_BYTES, "log_tail_bytes": TAIL_BYTES}
        hello = {**fields, **paths, **logs, **hello}
        self.handles: list[Any] = []
        self.session = Session(
            self._start,
            Hello(**hello),
            data=data,
            manifest=Manifest.of(self.original),
            isolation=isolation,
            import_limit_s=import_limit_s,
        )

    def _start(self) -> Any:
        self.handles.append(self.runner.start(self._setup))
        return self.handles[-1]

    def write(self, source: str) -> None:
        """Make ``source`` the plugin's module."""
        (self.plugin_path / "probe.py").write_text(PREAMBLE + textwrap.dedent(source))

    def unlearn(
        self, source: str, *, index: int = 0, seed: int = 0, limit_s: float | None = LIMIT_S, **clock: Any
    ) -> tuple[ModelOutcome, State | None]:
        """Run a module of source code as the plugin on one model."""
        self.write(source)
        return self.session.unlearn(index, seed, self.original, limit_s, **clock)

    def body(self, source: str, **options: Any) -> tuple[ModelOutcome, State | None]:
        """Run ``source`` as the body of a hook that takes every argument."""
        head = "@hookimpl\ndef unlearn(model, retain, forget, validation, context):\n"
        return self.unlearn(head + textwrap.indent(textwrap.dedent(source), "    "), **options)
