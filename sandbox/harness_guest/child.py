"""A model's own process: it imports the plugin, waits for START, receives model and data, runs the hook, and ends.

It is forked from a process that never held model or data, so that the import cannot use them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import safetensors.torch
import torch
from torch import nn

from harness_guest.confine import confine
from harness_guest.context import Context
from harness_guest.data import Normalisation, SplitData
from harness_guest.journal import Journal
from harness_guest.linux import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl
from harness_guest.meter import Meter
from harness_guest.plugin import PluginSetupError, load_unlearner, warm_lookup
from harness_guest.protocol import Hello, Job
from harness_guest.state import (
    OutputInvalidError,
    OutputTooLargeError,
    chosen_model,
    read_kept,
    read_splits,
    read_state,
    serialise,
)
from harness_guest.texts import shortened, traceback_text
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ModelSpec, Recipe
from reference_models.training.arithmetic import autocast

CONTAINER_INIT = 1
MESSAGE_CHARS = 2_000
TRACEBACK_CHARS = 8_000
FIRST_TO_GO = "500"  # OOM score: the kernel kills the plugin before the guest, which reports it
FOLDERS = ("HOME", "TMPDIR", "XDG_CACHE_HOME")  # emptied after every model
IMPORTING_LINE = b'{"importing": true}\n'
IMPORTED_LINE = b'{"imported": true}\n'


class GpuLostError(Exception):
    """The sandbox has no GPU although it was given one."""

    problem = "infra_error"


OWN_ERRORS = (OutputInvalidError, OutputTooLargeError, PluginSetupError, GpuLostError)


@dataclass(frozen=True)
class Prepared:
    """State that every model's process inherits from the warm guest.

    Attributes:
        hello: the host's instructions.
        spec: of the network.
        recipe: how the originals were trained.
    """

    hello: Hello
    spec: ModelSpec
    recipe: Recipe


@dataclass(frozen=True)
class Files:
    """Descriptors of in-memory files that a model's process receives when the clock starts.

    Attributes:
        data: the splits.
        weights: the original's state.
        journal: record of the original's training; None if there is none.
    """

    data: int
    weights: int
    journal: int | None = None

    @property
    def all(self) -> tuple[int, ...]:
        """Return every descriptor, in the order of the attributes."""
        return (self.data, self.weights) if self.journal is None else (self.data, self.weights, self.journal)


def path_of(fd: int) -> str:
    """Return a path by which this process can open the file of one of its descriptors."""
    return f"/proc/self/fd/{fd}"


@dataclass(frozen=True)
class ChildEnds:
    """The child's ends of the socket ``go``, which permits the import and receives files, and of the pipes that it writes."""

    go: int
    report: int
    weights: int
    log: int


def run_child(prepared: Prepared, job: Job, ends: ChildEnds, guests: tuple[int, ...]) -> NoReturn:
    """Run a model's forked process; never return to the caller.

    Args:
        prepared, job: its instructions.
        ends: connections to its parent.
        guests: process ids of the guest, the last one its parent's.
    """
    code = 1
    try:
        code = _work(prepared, job, ends, guests)
    finally:
        os._exit(code)


def _detach(ends: ChildEnds, parent: int) -> None:
    """Start a session that dies with the guest, and redirect output to the log pipe."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    prctl(PR_SET_DUMPABLE, 1)
    with contextlib.suppress(OSError):  # without this file the kernel may kill the guest instead
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    for name in FOLDERS:
        with contextlib.suppress(KeyError, OSError):  # a plugin that needs the folder fails with its own error
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
    os.dup2(ends.log, 1)
    os.dup2(ends.log, 2)
    os.close(ends.log)
    sys.stdout = sys.__stdout__ = _text_stream(1)  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = _text_stream(2)  # type: ignore[misc, assignment]
    faulthandler.enable()


def _text_stream(fd: int) -> TextIO:
    """Open a line-buffered stream, so that little is lost when the process is killed."""
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _work(prepared: Prepared, job: Job, ends: ChildEnds, guests: tuple[int, ...]) -> int:
    problem, meter = "setup_error", Meter(job.limit_s if job.clock == "steps" else None)
    try:
        _detach(ends, guests[-1])
        model = _blank(prepared, job)
        names = frozenset(model.state_dict())
        if CONTAINER_INIT in guests:
            confine(guests)  # without a filter, the guest still checks its attributes after each model
        hello = prepared.hello
        _write_all(ends.report, IMPORTING_LINE)
        # The host's clock of the import runs before any code of the plugin can stop the guest.
        if not os.read(ends.go, 1):
            return 1  # the guest is gone
        hook = load_unlearner(hello.plugin, hello.distribution, hello.plugin_path)
        _write_all(ends.report, IMPORTED_LINE)
        if job.import_only:
            return 0
        files = _handed(ends.go)
        if files is None:
            return 1
        context = _context(prepared, job, files, meter)
        splits = _load(prepared, job, model, files, meter)
        for fd in files.all:
            with contextlib.suppress(OSError):  # the plugin's import may have closed it
                os.close(fd)
        problem = "plugin_error"
        with autocast(prepared.recipe, context.device):  # a method computes as its original was trained
            returned = hook(model=model, **splits, context=context)
        unlearned = chosen_model(model, returned)
        kept = context.kept.state if job.max_state_bytes else None
        raw = serialise(unlearned, job.max_weights_bytes, names, kept)
        _write_all(ends.weights, raw)
        _report(ends, {**_used(meter, context.device), "weights_bytes": len(raw)})
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the plugin's failures too
        said = _described(error, error.problem if isinstance(error, OWN_ERRORS) else problem)
        _report(ends, {**said, "examples": meter.examples})
        return 1
    finally:
        _flush_output()
    return 0


def _blank(prepared: Prepared, job: Job) -> nn.Module:
    """Return a network without the original's weights, in eval mode, on the initialised device."""
    hello = prepared.hello
    torch.set_num_threads(hello.threads)
    device = torch.device(hello.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise GpuLostError("the sandbox was assigned a GPU, but torch finds none in it")
    model = build_model(prepared.spec, seed=None).to(device).eval()
    if device.type == "cuda":
        torch.zeros(1, device=device)
        torch.cuda.synchronize()
    seed_everything(job.seed)
    return model


def _handed(go: int) -> Files | None:
    """Wait for START and return its files; None if the guest is gone."""
    with socket.socket(fileno=go) as channel:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 3)
    return Files(*descriptors) if descriptors else None


def _load(
    prepared: Prepared, job: Job, model: nn.Module, files: Files, meter: Meter | None = None
) -> dict[str, SplitData]:
    """Load the original's weights into ``model``, set the seeds, and return the splits on its device."""
    spec, device = prepared.spec, torch.device(prepared.hello.device)
    model.load_state_dict(read_state(path_of(files.weights)), strict=True)
    normalisation = Normalisation(spec.mean, spec.std)
    splits = {
        name: SplitData(inputs.to(device), labels.to(device), spec.n_classes, normalisation, meter)
        for name, (inputs, labels) in read_splits(path_of(files.data)).items()
    }
    seed_everything(job.seed)
    return splits


def warm_up(prepared: Prepared) -> None:
    """Import, compile and look up, once in the guest, what every model's process needs before it is started.

    All of them inherit it. Nothing here runs a parallel region or touches code of a plugin. An error here recurs in the
    model's own process and is reported there.
    """
    hello = prepared.hello
    with contextlib.suppress(Exception):
        model = build_model(prepared.spec, seed=None)
        model.load_state_dict(safetensors.torch.load(serialise(model, sys.maxsize)))
    seed_everything(0)
    warm_lookup(hello.distribution)


def seed_everything(seed: int) -> None:
    """Set the random seeds of Python, NumPy and torch, including those of every GPU."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def _context(prepared: Prepared, job: Job, files: Files, meter: Meter | None = None) -> Context:
    return Context(
        device=torch.device(prepared.hello.device),
        seed=job.seed,
        n_classes=prepared.spec.n_classes,
        recipe=prepared.recipe,
        spec=prepared.spec,
        options=dict(prepared.hello.options),
        time_limit_s=job.limit_s,
        journal=None if files.journal is None else _journal(files.journal, torch.device(prepared.hello.device)),
        clock=job.clock,
        meter=meter or Meter(),
        state=read_kept(path_of(files.weights)),
    )


def _journal(fd: int, device: torch.device) -> Journal:
    """Map a journal; writes to the mapping stay in this process."""
    memory = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return Journal(memory, device)


def _peak_gpu_mib(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated() / (1 << 20) if device.type == "cuda" else None


def _used(meter: Meter, device: torch.device) -> dict[str, Any]:
    return {"examples": meter.examples, "peak_gpu_mib": _peak_gpu_mib(device)}


def _described(error: BaseException, problem: str) -> dict[str, Any]:
    kind = _safely(lambda: str(type(error).__name__), "(no name)")
    message = _safely(lambda: str(error), "(the exception has no readable text)")
    if isinstance(error, SystemExit):
        message = f"the plugin called sys.exit({message})"
    lines = _safely(lambda: traceback_text(error, TRACEBACK_CHARS), "(no readable traceback)")
    return {
        "problem": problem,
        "error_type": kind[:200],
        "error_message": shortened(message, MESSAGE_CHARS),
        "traceback": lines,
    }


def _safely(read: Callable[[], str], instead: str) -> str:
    """Return a text that the plugin's code produces, or ``instead`` if that fails or tries to exit."""
    try:
        return str.__str__(read())
    except BaseException:
        return instead


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # the plugin may have closed or replaced it
            with contextlib.suppress(OSError):
                os.write(2, b"some output was lost: it could not be flushed\n")


def _report(ends: ChildEnds, message: dict[str, Any]) -> None:
    _write_all(ends.report, json.dumps(message).encode() + b"\n")


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
