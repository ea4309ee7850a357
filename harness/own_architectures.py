"""Networks of a user's own: checked before anything is trained, and carried into the sandbox.

``package.module:factory`` names code on this machine, which the user trusts. The top-level module or package travels as it is on
disk; what it imports beside torch and NumPy does not.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cache import Cache, file_sha256, key_of
from harness.errors import TaskInvalidError
from harness.tasks.model import Task, TaskData
from reference_models.recipe import ArchitectureSpec, ModelSpec, Recipe

LEFT_OUT = frozenset({"__pycache__", ".git"})
PRESENT = frozenset({"reference_models", "torch"})  # in every sandbox
MAX_BYTES = 100 << 20


def own_module(architecture: ArchitectureSpec) -> str | None:
    """Return the top-level module of a network that is not one of the harness's; None for those."""
    module, colon, _ = architecture.name.partition(":")
    top = module.partition(".")[0]
    return top if colon and top not in PRESENT else None


def carried(task: Task) -> Path | None:
    """Return a folder, in the cache, with the task's own module alone; None where its network is one of the harness's.

    Raises:
        TaskInvalidError: there is no such module, or it is too big or no plain Python.
    """
    name = own_module(task.architecture)
    if name is None:
        return None
    files = {str(path): place for path, place in _files(name, task)}
    digests = _digests(files)

    def build(folder: Path) -> None:
        for path, place in files.items():
            target = folder / "site" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place, target)
        for place in (folder / "site", *(folder / "site").rglob("*")):  # the sandbox's user is another one
            place.chmod(0o755 if place.is_dir() else 0o644)

    folder, _ = Cache("architectures").get_or_build({"format": 1, "module": name, "files": digests}, build)
    return folder / "site"


def source_digest(task: Task) -> str | None:
    """Return a digest of the source of the task's own network, on which its weights depend; None for the harness's networks.

    Raises:
        TaskInvalidError: as :func:`carried`.
    """
    name = own_module(task.architecture)
    return None if name is None else key_of(_digests({str(path): place for path, place in _files(name, task)}))


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    return {path: file_sha256(place) for path, place in files.items()}


def _files(name: str, task: Task) -> Sequence[tuple[Path, Path]]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise TaskInvalidError(
            f"The task {task.name!r}: the architecture {task.architecture.name!r} cannot be imported: there is no module "
            f"{name!r}. Install its package, or put its folder into PYTHONPATH."
        )
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if not places:
        if spec.origin is None or not Path(spec.origin).is_file():
            raise TaskInvalidError(
                f"The task {task.name!r}: the module {name!r} of its architecture is no file that could travel into the "
                f"sandbox ({spec.origin}). Unpack it, or put the network into a package."
            )
        return [(Path(Path(spec.origin).name), Path(spec.origin))]
    found = [
        (Path(name) / path.relative_to(place), path)
        for place in places
        for path in sorted(place.rglob("*"))
        if path.is_file() and not LEFT_OUT & set(path.relative_to(place).parts)
    ]
    if sum(path.stat().st_size for _, path in found) > MAX_BYTES:
        raise TaskInvalidError(
            f"The task {task.name!r}: the package {name!r} of its architecture has more than {MAX_BYTES >> 20} MiB, and it "
            "travels into the sandbox. Move the network into a package of its own."
        )
    return found


def batch_sizes(recipe: Recipe, data: TaskData) -> list[int]:
    """Return the sizes of batch that a network is tried with: two examples, and what is left over at the end of an epoch."""
    sizes = {2}
    if not recipe.drop_last:
        n_retain, n_forget = len(data.retain), len(data.forget)
        sizes |= {n % recipe.batch_size for n in (n_retain, n_retain + n_forget)} - {0}
    return sorted(sizes)


def check_network(task: Task, spec: ModelSpec, data: TaskData) -> None:
    """Do a dry pass of the network on this machine's CPU, before anything is trained.

    Raises:
        TaskInvalidError: it cannot be trained; with the layer or the shape at fault.
    """
    from harness_guest.trial import NetworkError, try_network

    sizes = batch_sizes(task.recipe, data) if task.sisa is None else [2]
    try:
        try_network(spec, sizes)
    except NetworkError as error:
        raise TaskInvalidError(refusal(task, str(error), "on this machine")) from error


def refusal(task: Task, why: str, where: str) -> str:
    """Return the message for a network whose dry pass failed."""
    advice = ""
    if "batch of 1 example" in why:
        advice = (
            f" An epoch ends with it: choose another batch_size than {task.recipe.batch_size}, or set drop_last: true in "
            "the recipe."
        )
    if "No module named" in why:
        advice = " Only the architecture's own module and torch, NumPy and the standard library are in the sandbox."
    return (
        f"The task {task.name!r}: the network {task.architecture.name!r} was tried {where} before training, and cannot be "
        f"used: {why}.{advice}"
    )
