"""Overhead of the sandbox over the method's own time, compared with a naive ``docker run`` per model.

The naive way is one ``docker run`` for each model: import torch, load model and data, take one step, save, exit. The harness
forks each model's process from a guest that stays warm (``--isolation run``) or starts a guest for each model
(``--isolation model``). Both are measured in turns, on real containers with a method that does nothing, so that all of its
time is overhead; ratios are of medians::

    python benchmarks/sandbox_overhead.py
    python benchmarks/sandbox_overhead.py --models 8 --method-s 3

CPU time is that of the container and of this process together: on a machine that others use it says more than the
clock. With spare cores, the method of ``--isolation model`` works for ``--method-s`` seconds, its own time taken off again.
Needs a Docker engine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from harness.core.hardware import available_cores, memory_mib, usable_cores
from harness.core.outcomes import ModelOutcome
from harness.runners.base import GuestSetup, PluginBundle
from harness.runners.bundles import resolve
from harness.runners.cores import CoreSet, Span
from harness.runners.docker import DockerRunner
from harness.runners.engine.cgroups import Cgroup
from harness.runners.engine.client import Engine
from harness.runners.images.listing import GuestImage, ensure_guest_image, ensure_plugin_image
from harness.runners.session.greeting import hello_for
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest, State
from harness.runs.config import RunConfig
from harness.runs.placement import plan_core_sets
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, to_json

RUN_ID = "sandbox-overhead"
SPEC = ModelSpec(ArchitectureSpec("mlp", {"hidden": [126]}), (1, 28, 28), 10, (0.5,), (0.25,))
EXAMPLES = {"retain": 4000, "forget": 400, "validation": 400}
LIMIT_S = 120.0
PYTHON = "/opt/harness/bin/python"
METHOD = """
import time
BEGAN = time.monotonic()
import pluggy
@pluggy.HookimplMarker("harness")
def unlearn(context):
    called = time.monotonic()
    until = called + context.options.get("seconds", 0.0)
    while time.monotonic() < until:
        pass
    print(BEGAN, called, time.monotonic())
"""
NAIVE = """
import torch, safetensors.torch
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec
data = safetensors.torch.load_file("/data/data.safetensors")
model = build_model(ModelSpec(ArchitectureSpec("mlp", {"hidden": [126]}), (1, 28, 28), 10, (0.5,), (0.25,)), 0)
torch.save(model.state_dict(), "/tmp/original.pt")
model.load_state_dict(torch.load("/tmp/original.pt"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
images, labels = data["forget.inputs"][:64].float(), data["forget.labels"][:64]
torch.nn.functional.cross_entropy(model(images), labels).backward()
optimizer.step()
torch.save(model.state_dict(), "/tmp/unlearned.pt")
"""
STEPS = """
import os, sys, time
import torch, torch._dynamo
from harness_guest.confine import confine, filter_for
from harness_guest.process_attributes import changed, process_attributes
from harness_guest.scratch import wipe
torch.set_num_threads(1)
filter_for((1,))
before = process_attributes(os.getpid())
def median_ms(step):
    seconds = []
    for _ in range(15):
        began = time.perf_counter(); step(); seconds.append(time.perf_counter() - began)
    return 1000 * sorted(seconds)[7]
def fork(step=lambda: None):
    pid = os.fork()
    if pid == 0:
        step(); os._exit(0)
    os.waitpid(pid, 0)
bare = median_ms(fork)
print("fork and exit of a bare child", bare)
print("filter of system calls", median_ms(lambda: fork(lambda: confine((1,)))) - bare)
print("wiping empty scratch folders", median_ms(lambda: [wipe(folder) for folder in ("/tmp", "/dev/shm", "/dev/mqueue")]))
print("looking at the guest's process attributes", median_ms(lambda: changed(os.getpid(), before)))
"""


@dataclass
class Bench:
    """One plugin image, and what it is measured with."""

    engine: Engine
    guest: GuestImage
    bundle: PluginBundle
    runner: DockerRunner
    data_file: Path
    original: State

    def session(self, isolation: Any, core_set: CoreSet, seconds: float, due: Callable[[], int]) -> Session:
        """Return a session with a method that runs for ``seconds``."""
        cores = core_set.waiting if isolation == "model" else core_set.cores
        setup = GuestSetup(RUN_ID, 3600.0, cores)
        threads = len(core_set.cores or ()) or available_cores()
        options = {"seconds": seconds}
        facts = self.bundle.facts
        hello = hello_for(self.runner, facts, to_json(SPEC), to_json(Recipe()), threads=threads, options=options)
        manifest = Manifest.of(self.original)
        return Session(
            lambda: self.runner.start(setup),
            hello,
            data=self.data_file,
            manifest=manifest,
            isolation=isolation,
            core_set=core_set,
            due=due,
        )

    def naive(self) -> float:
        """Seconds of one model in the naive way."""
        began = time.perf_counter()
        command = ["docker", "run", "--rm", "--network", "none", "-v", f"{self.data_file}:/data/data.safetensors:ro"]
        subprocess.run([*command, "--entrypoint", PYTHON, self.guest.id, "-s", "-c", NAIVE], check=True)
        return time.perf_counter() - began

    def steps(self) -> list[tuple[str, float]]:
        """Name and median milliseconds of single steps inside a container."""
        command = [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "--entrypoint",
            PYTHON,
            self.guest.id,
            "-s",
            "-c",
            STEPS,
        ]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [(name, float(ms)) for name, _, ms in (line.rpartition(" ") for line in told.splitlines())]

    def container_cpu_s(self) -> float:
        """CPU seconds of all containers of this benchmark that live now; 0 where it cannot be read."""
        groups = [Cgroup.of(state.pid, state.id) for state in self.engine.containers({"harness.run": RUN_ID})]
        return sum(_cpu_s(group) for group in groups if group is not None)


def _cpu_s(group: Cgroup) -> float:
    if group.version == 2:
        lines = (group.paths[""] / "cpu.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("usage_usec")) / 1e6
    return int((group.paths["cpuacct"] / "cpuacct.usage").read_text()) / 1e9


@dataclass
class Result:
    """What was measured of one way, a value per model, seconds.

    Attributes:
        overhead_s: wall time without the method's own.
        cpu_s: CPU time of container and host; empty where containers come and go.
        parts: name -> seconds of one part of the overhead.
        spans: when guests warmed up and models were measured.
    """

    overhead_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()

    def add(self, wall_s: float, outcome: ModelOutcome, began_s: float) -> None:
        """Keep one model's times; what the method printed says when its code was reached, on the same clock."""
        imported_s, called_s, left_s = map(float, outcome.log.head.split())
        self.overhead_s.append(wall_s - (left_s - called_s))
        stopped_s = began_s + (outcome.charged_s or 0.0)
        parts = {
            "start of guests, waited for": outcome.start_s or 0.0,
            "hand-over: transfer, fork, load": outcome.prepare_s or 0.0,
            "START to the plugin's first line": imported_s - began_s,
            "import of the plugin": called_s - imported_s,
            "result: encode, transfer, exit": stopped_s - left_s,
            "teardown: check, wipe, remove": outcome.after_s or 0.0,
        }
        for name, seconds in parts.items():
            self.parts.setdefault(name, []).append(seconds)


def measure(bench: Bench, isolation: str, core_set: CoreSet, models: int, seconds: float) -> Iterator[Result]:
    """Unlearn so many models, and stop after each one so that others can be measured in turns with it."""
    result, left = Result(), [models]
    with bench.session(isolation, core_set, seconds, lambda: left[0]) as session:
        for index in range(models):
            left[0] -= 1
            cpu_s = time.process_time() + (bench.container_cpu_s() if isolation == "run" and index else 0.0)
            began = time.perf_counter()
            outcome, _ = session.unlearn(index, index, bench.original, LIMIT_S)
            wall_s = time.perf_counter() - began
            if not outcome.status.finished:
                raise SystemExit(f"a model ended with {outcome.status.value}: {outcome.advice}")
            measured = [span for span in session.spans if span.kind == "measured"]
            if isolation == "model" or index:  # the first model of a warm guest pays for its start
                result.add(wall_s, outcome, measured[-1].began_s)
            if isolation == "run" and index:
                result.cpu_s.append(time.process_time() + bench.container_cpu_s() - cpu_s)
            result.spans = session.spans
            yield result


@contextmanager
def prepared(engine: Engine) -> Iterator[Bench]:
    """Prepare data, plugin and images."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rng = np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for split, n_examples in EXAMPLES.items():
            arrays[f"{split}.inputs"] = rng.integers(0, 256, (n_examples, 1, 28, 28), dtype=np.uint8)
            arrays[f"{split}.labels"] = rng.integers(0, 10, n_examples)
        save_file(arrays, place / "data.safetensors")
        place.chmod(0o755)
        (place / "method").mkdir()
        (place / "method" / "bench_method.py").write_text(METHOD)
        (place / "method" / "pyproject.toml").write_text(PYPROJECT)
        guest = ensure_guest_image(engine)
        bundle = resolve(str(place / "method"), engine=engine, guest=guest)
        image = ensure_plugin_image(engine, guest, bundle)
        original = {name: tensor.numpy() for name, tensor in build_model(SPEC, 0).state_dict().items()}
        limits = RunConfig("bench").limits(available_cores())
        try:
            runner = DockerRunner(engine, image, limits)
            yield Bench(engine, guest, bundle, runner, place / "data.safetensors", original)
        finally:
            engine.remove_image(image.tag)


PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "bench-method"
version = "1.0"
dependencies = ["torch"]
[project.entry-points."harness.unlearners"]
bench = "bench_method"
[tool.setuptools]
py-modules = ["bench_method"]
"""


def in_turns(naive: Callable[[], float], ours: Iterator[Result], every: int) -> tuple[list[float], Result]:
    """Alternate naive runs with ``every`` of our models; return the naive seconds and our final result."""
    others, result = [], Result()
    for number, found in enumerate(ours):
        result = found
        if number % every == 0:
            others.append(naive())
    return others, result


def line(name: str, seconds: Sequence[float]) -> str:
    """Return a line with the name and percentiles in milliseconds."""
    p10, p50, p90 = (1000 * np.percentile(seconds, q) for q in (10, 50, 90))
    return f"{name:<36} {p10:>10.1f} {p50:>10.1f} {p90:>10.1f} {1000 * max(seconds):>10.1f}"


def show(title: str, naive_s: Sequence[float], result: Result) -> None:
    """Print one way's percentiles, its parts and its ratio to the naive way."""
    print(f"\n{title}\n{'ms a model':<36} {'p10':>10} {'median':>10} {'p90':>10} {'longest':>10}")
    print(line("naive: docker run, import, one step", naive_s))
    print(line("overhead of the harness", result.overhead_s))
    for name, seconds in result.parts.items():
        print(line(f"  {name}", seconds))
    if result.cpu_s:
        print(line("CPU time, host and container", result.cpu_s))
    ratio = statistics.median(naive_s) / statistics.median(result.overhead_s)
    print(f"the naive way takes {ratio:.1f} times as long; disturbed measurements: {_disturbed(result.spans)}")


def _disturbed(spans: Sequence[Span]) -> int:
    ordered = sorted(spans, key=lambda span: span.began_s)
    assert all(one.began_s <= other.began_s for one, other in pairwise(ordered))
    return sum(one.disturbs(other) for index, one in enumerate(ordered) for other in ordered[index + 1 :])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=32, help="models of --isolation run")
    parser.add_argument("--fresh", type=int, default=8, help="models of --isolation model")
    parser.add_argument("--method-s", type=float, default=4.0, help="seconds of a method beside which guests warm up")
    options = parser.parse_args()
    cores = usable_cores()
    with prepared(Engine.connect()) as bench:
        parameters = sum(array.size for array in bench.original.values())
        print(f"{parameters:,} parameters, {len(cores)} cores")
        (full,) = plan_core_sets(RunConfig("bench", isolation="model"), cores, memory_mib())
        warm = measure(bench, "run", full, options.models, 0.0)
        show("--isolation run", *in_turns(bench.naive, warm, 8))
        busy = measure(bench, "model", full, options.fresh, 0.0)
        show(f"--isolation model, no core to spare ({full.ahead} guests at once)", *in_turns(bench.naive, busy, 4))
        if len(cores) > 1:
            half = RunConfig("bench", isolation="model", cpus=len(cores) - max(1, len(cores) // 4))
            (core_set,) = plan_core_sets(half, cores, memory_mib())
            beside = measure(bench, "model", core_set, options.fresh, options.method_s)
            title = f"--isolation model, {len(core_set.spare)} spare core(s), a method of {options.method_s:g} s"
            show(title, *in_turns(bench.naive, beside, 4))
        print("\nsingle steps inside the container, median ms")
        for name, ms in bench.steps():
            print(f"{name:<36} {ms:>10.2f}")


if __name__ == "__main__":
    main()
