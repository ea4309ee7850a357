"""Checks of this machine for ``harness doctor``: requirements, resources and advice.

A check *fails* if the harness cannot work, and *warns* if something is missing that only some runs need: without Docker, bundled
plugins still run. The checks of Docker are in :mod:`harness.doctor.docker`.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from harness.core import gpu, hardware
from harness.core.cache import ENVIRONMENT_VARIABLE, cache_root
from harness.core.files import free_mib
from harness.doctor.checks import Check, CheckStatus, guarded
from harness.doctor.docker import Connect, docker_checks, runner_checks
from harness.plugins import discovery
from harness.report.words import plain
from harness.runners.provider import RunnerProvider
from harness.tasks.yaml.locating import DATA_DIR_VARIABLE, candidates

OLDEST_PYTHON, NEWEST_TESTED = (3, 10), (3, 13)
DATASETS = ("fashion-mnist", "cifar10")
FEW_MIB, TOO_FEW_MIB = 2048, 200
KERNEL_VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
CORE_SYMBOLS = tuple(
    f"{prefix}openblas_get_corename{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "64__", "")
)
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def diagnose(connect: Connect | None = None, provider: RunnerProvider | None = None) -> list[Check]:
    """Run all checks and return them in display order; change, build and download nothing.

    Args:
        connect: returns an engine or raises DockerUnavailableError; None for the engine of the environment.
        provider: runner to check in place of that engine.
    """
    steps: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
        ("Python", _python),
        ("Libraries", _libraries),
        ("Plugins", _plugins),
        ("Cache", _cache),
        ("Disk", _disk),
        ("CPU kernels", _kernels),
        ("GPU", _gpu),
        ("Datasets", _datasets),
        ("Runner", lambda: docker_checks(connect) if provider is None else runner_checks(provider)),
    )
    return [check for name, step in steps for check in guarded(name, step)]


def print_checks(checks: Iterable[Check], console: Console) -> None:
    """Print each check with its status before it and its advice below it."""
    table = Table.grid("", Column(overflow="fold"), padding=(0, 1))  # wrap long paths instead of cutting them
    for check in checks:
        finding = Text.assemble((check.name, "bold"), ": ", plain(check.detail))
        table.add_row(Text(check.status, STYLES[check.status]), finding)
        if check.advice:
            table.add_row("", Text(f"-> {plain(check.advice)}"))
    console.print(table)


def _python() -> Iterator[Check]:
    version, short = ".".join(map(str, sys.version_info[:3])), sys.version_info[:2]
    if short < OLDEST_PYTHON:
        yield Check("Python", "fail", version, "Use Python 3.10 to 3.13.")
    elif short > NEWEST_TESTED:
        yield Check(
            "Python", "warn", f"{version}, newer than any tested version", "Use Python 3.10 to 3.13 if something fails."
        )
    else:
        yield Check("Python", "ok", version)


def _libraries() -> Iterator[Check]:
    versions = {name: version for name, version in discovery.library_versions().items() if version != "not installed"}
    yield Check("Libraries", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))
    broken = sorted(_unmet(discovery.OWN_DISTRIBUTION))
    if broken:
        advice = f"pip install --upgrade {discovery.OWN_DISTRIBUTION}"
        yield Check("Requirements", "fail", f"not met: {', '.join(broken)}", advice)


def _unmet(distribution: str) -> Iterator[str]:
    """Yield the requirements of an installed distribution that are missing or have a wrong version."""
    from packaging.requirements import Requirement

    for text in importlib.metadata.requires(distribution) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name}{requirement.specifier} (found {found or 'none'})"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plugins() -> Iterator[Check]:
    unlearners = discovery.find_plugins(discovery.UNLEARNERS)
    yield Check("Unlearners", "ok", ", ".join(plugin.name for plugin in unlearners) or "none")
    for name, group in discovery.duplicates(unlearners).items():
        yield Check(f"Unlearner {name}", "warn", "ambiguous", discovery.ambiguous(name, group))
    for text in discovery.damaged_distributions():
        yield Check("Installed packages", "warn", "damaged metadata", text)
    yield from guarded("Evaluators", _evaluators)
    yield from guarded("Tasks", _tasks)


def _evaluators() -> Iterator[Check]:
    loaded, broken = discovery.load_evaluators()
    return _trusted("Evaluators", [evaluator.info.name for evaluator in loaded], broken)


def _tasks() -> Iterator[Check]:
    loaded, broken = discovery.load_tasks()
    return _trusted("Tasks", [task.task.name for task in loaded], broken)


def _trusted(what: str, names: list[str], broken: Iterable[discovery.BrokenPlugin]) -> Iterator[Check]:
    yield Check(what, "ok", ", ".join(names) or "none")
    for plugin in broken:
        advice = f"Fix, upgrade or uninstall {plugin.found.distribution}; everything else works without it."
        yield Check(f"{what}, broken", "fail" if plugin.found.bundled else "warn", plugin.reason, advice)


def _cache() -> Iterator[Check]:
    root = cache_root()
    try:
        with tempfile.TemporaryFile(dir=_nearest(root)) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        detail = f"{root} cannot be written: {error.strerror}"
        yield Check("Cache", "fail", detail, f"Set {ENVIRONMENT_VARIABLE} to a writable folder.")
    else:
        yield Check("Cache", "ok", f"{root} is writable")


def _nearest(path: Path) -> Path:
    """Return the path, or its nearest existing parent."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _disk() -> Iterator[Check]:
    prune = f"Set {ENVIRONMENT_VARIABLE} to another disk, or run `harness references prune`."
    yield disk_check("Disk of the cache", cache_root(), prune)
    yield disk_check(
        "Disk of runs", Path.cwd(), "Free some space, or choose another folder with `harness run --output`."
    )


def disk_check(name: str, place: Path, advice: str) -> Check:
    """Check the free space of the disk that contains ``place``."""
    free = free_mib(place)
    status: CheckStatus = "fail" if free < TOO_FEW_MIB else "warn" if free < FEW_MIB else "ok"
    return Check(name, status, f"{free} MiB free at {place}", "" if status == "ok" else advice)


def _kernels() -> Iterator[Check]:
    """Report the CPU instruction sets that libraries use: results may differ by them in the last bits."""
    import torch

    names = {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "oneDNN": onednn_isa(torch.__config__.show()),
        "BLAS": ", ".join(blas_kernels()) or "unknown",
    }
    chosen = [f"{name}={os.environ[name]}" for name in KERNEL_VARIABLES if os.environ.get(name)]
    detail = "; ".join(f"{name} {value}" for name, value in names.items())
    yield Check("CPU kernels", "ok", detail + (f" ({', '.join(chosen)})" if chosen else ""))


def onednn_isa(configuration: str) -> str:
    """Return the instruction set that oneDNN may use, from ``torch.__config__.show()`` and the environment."""
    if "USE_MKLDNN=ON" not in configuration and "MKL-DNN" not in configuration:
        return "none"
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() or "all of this processor"


def blas_kernels() -> list[str]:
    """Return the kernels that the loaded OpenBLAS libraries selected for this processor."""
    found = []
    for name in sorted({line.split()[-1] for line in Path("/proc/self/maps").read_text(errors="replace").splitlines()}):
        if "openblas" in Path(name).name.lower():
            library = ctypes.CDLL(name)
            for symbol in CORE_SYMBOLS:
                if hasattr(library, symbol):
                    function = getattr(library, symbol)
                    function.restype = ctypes.c_char_p
                    found.append(f"{Path(name).name.partition('-')[0]} {function().decode(errors='replace')}")
                    break
    return found


def _gpu() -> Iterator[Check]:
    names, found = hardware.gpu_names(), gpu.findings(gpu.read())
    if names:
        yield Check("GPU", "ok", ", ".join(names))
    elif not found and Path("/dev/nvidiactl").exists():
        yield Check(
            "GPU", "warn", "an NVIDIA device exists, but nvidia-smi lists none", "Check the driver: run `nvidia-smi`."
        )
    elif not found:
        yield Check("GPU", "ok", "none; models are trained and scored on the CPU")
    for one in found:
        yield Check("GPU", "warn", one.detail, one.advice)


def _datasets() -> Iterator[Check]:
    yield Check("Dataset faces", "ok", "generated by the harness")
    for name in DATASETS:
        places = [place for place in candidates(name) if place.is_dir() and any(place.iterdir())]
        if places:
            yield Check(f"Dataset {name}", "ok", str(places[0]))
        else:
            advice = f"Copy it to {candidates(name)[-2]} or below {DATA_DIR_VARIABLE}; only the task {name} needs it."
            yield Check(f"Dataset {name}", "warn", "not found on this machine", advice)
