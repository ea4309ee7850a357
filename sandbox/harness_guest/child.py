"""A model's own process: forked from the warm guest, it loads one model, waits for the start, runs the plugin, and ends."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import torch
from torch import Tensor, nn

from harness_guest.confine import confine, filter_for
from harness_guest.context import Context
from harness_guest.data import Normalisation, SplitData
from harness_guest.journal import Journal
from harness_guest.linux import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl
from harness_guest.meter import Meter
from harness_guest.plugin import PluginSetupError, load_unlearner, warm_lookup
from harness_guest.protocol import Hello, Job
from harness_guest.state import OutputInvalidError, OutputTooLargeError, chosen_model, load_state, serialise
from harness_guest.texts import shortened, traceback_text
from reference_models.architectures import build_model
from reference_models.recipe import ModelSpec, Recipe

CONTAINER_INIT = 1
MESSAGE_CHARS = 2_000
TRACEBACK_CHARS = 8_000
FIRST_TO_GO = "500"  # when memory is short, the kernel shall end a plugin before the guest that tells of it
FOLDERS = ("HOME", "TMPDIR", "XDG_CACHE_HOME")  # emptied after every model
LOADED_LINE = b'{"loaded": true}\n'
IMPORTED_LINE = b'{"imported": true}\n'


class GpuLostError(Exception):
    """The sandbox has no GPU although it was given one."""

    problem = "infra_error"


OWN_ERRORS = (OutputInvalidError, OutputTooLargeError, PluginSetupError, GpuLostError)


@dataclass(frozen=True)
class Prepared:
    """What every model's process inherits from the warm guest.

    Attributes:
        hello: the host's instructions.
        spec: of the network.
        recipe: how the originals were trained.
        splits: per split images (n, C, H, W) uint8 and labels (n,) int64, mapped from the data file.
        journal: of the training of the model at hand alone; None where there is none.
    """

    hello: Hello
    spec: ModelSpec
    recipe: Recipe
    splits: dict[str, tuple[Tensor, Tensor]]
    journal: mmap.mmap | None = None


@dataclass(frozen=True)
class ChildEnds:
    """The child's ends of its pipes to the guest: ``go`` is read, the others are written."""

    go: int
    report: int
    weights: int
    log: int


def run_child(prepared: Prepared, job: Job, original: bytes, ends: ChildEnds, parent: int) -> NoReturn:
    """The life of a forked process; it never returns to its caller."""
    code = 1
    try:
        code = _work(prepared, job, original, ends, parent)
    finally:
        os._exit(code)


def _detach(ends: ChildEnds, parent: int) -> None:
    """Become an ordinary process of its own session that dies with the guest, and print into the log pipe."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    prctl(PR_SET_DUMPABLE, 1)
    with contextlib.suppress(OSError):  # a kernel without it: the guest may then be the one that is killed
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    for name in FOLDERS:
        with contextlib.suppress(KeyError, OSError):  # a plugin that needs it will say so
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
    os.dup2(ends.log, 1)
    os.dup2(ends.log, 2)
    os.close(ends.log)
    sys.stdout = sys.__stdout__ = _text_stream(1)  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = _text_stream(2)  # type: ignore[misc, assignment]
    faulthandler.enable()


def _text_stream(fd: int) -> TextIO:
    """A stream that hands over each line at once, so that little is lost when the process is killed."""
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _work(prepared: Prepared, job: Job, original: bytes, ends: ChildEnds, parent: int) -> int:
    problem, meter = "setup_error", Meter(job.limit_s if job.clock == "steps" else None)
    try:
        _detach(ends, parent)
        model, splits = _load(prepared, job, original, meter)
        names = frozenset(model.state_dict())
        _write_all(ends.report, LOADED_LINE)
        if parent == CONTAINER_INIT:
            confine(parent)  # where it cannot be had, the guest still looks after each model what has changed
        if os.read(ends.go, 1) != b"g":
            return 1
        context = _context(prepared, job, meter)
        hello = prepared.hello
        hook = load_unlearner(hello.plugin, hello.distribution, hello.plugin_path)
        _write_all(ends.report, IMPORTED_LINE)
        if job.import_only:
            return 0
        problem = "plugin_error"
        unlearned = chosen_model(model, hook(model=model, **splits, context=context))
        raw = serialise(unlearned, job.max_weights_bytes, names)
        _write_all(ends.weights, raw)
        _report(ends, {**_used(meter, context.device), "weights_bytes": len(raw)})
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the plugin's failures too
        said = _described(error, error.problem if isinstance(error, OWN_ERRORS) else problem)
        _report(ends, {**said, "examples": meter.examples})
        return 1
    finally:
        _flush_output()
    return 0


def _load(
    prepared: Prepared, job: Job, original: bytes, meter: Meter | None = None
) -> tuple[nn.Module, dict[str, SplitData]]:
    """The original in eval mode and the splits, on the device; every random stream seeded."""
    hello, spec = prepared.hello, prepared.spec
    torch.set_num_threads(hello.threads)
    device = torch.device(hello.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise GpuLostError("the sandbox was to have a GPU, but torch finds none in it")
    model = build_model(spec, seed=None)
    load_state(model, original)
    model.to(device).eval()
    normalisation = Normalisation(spec.mean, spec.std)
    splits = {
        name: SplitData(images.to(device), labels.to(device), spec.n_classes, normalisation, meter)
        for name, (images, labels) in prepared.splits.items()
    }
    if device.type == "cuda":
        torch.cuda.synchronize()
    seed_everything(job.seed)
    return model, splits


def warm_up(prepared: Prepared) -> None:
    """Do once, in the guest, what every model's process does before it is started: what is imported, compiled and looked up then
    is there in all of them. Nothing here runs a parallel region, and no code of a plugin is touched.

    What fails here fails again, and is told, in the model's own process.
    """
    hello = prepared.hello
    with contextlib.suppress(Exception):
        model = build_model(prepared.spec, seed=None)
        raw = serialise(model, sys.maxsize)
        load_state(model, raw)
    seed_everything(0)
    warm_lookup(hello.distribution)
    if os.getpid() == CONTAINER_INIT:
        filter_for(CONTAINER_INIT)


def seed_everything(seed: int) -> None:
    """Seed python's, numpy's and torch's random streams, those of every GPU included."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def _context(prepared: Prepared, job: Job, meter: Meter | None = None) -> Context:
    return Context(
        device=torch.device(prepared.hello.device),
        seed=job.seed,
        n_classes=prepared.spec.n_classes,
        recipe=prepared.recipe,
        spec=prepared.spec,
        options=dict(prepared.hello.options),
        time_limit_s=job.limit_s,
        journal=None if prepared.journal is None else Journal(prepared.journal, torch.device(prepared.hello.device)),
        clock=job.clock,
        meter=meter or Meter(),
    )


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


def _shortened(part: str) -> str:
    """Return a part of a traceback, so short that a long message does not push out the frames that it came from."""
    return part if len(part) <= MESSAGE_CHARS else f"{part[:MESSAGE_CHARS]} […]\n"


def _safely(read: Callable[[], str], instead: str) -> str:
    """A text of the plugin's own making, which may fail at anything, and even try to leave."""
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
