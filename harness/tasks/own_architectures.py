"""User-defined architectures: checked before training, and the files of those that are importable.

``package.module:factory`` names code on this machine, which the user trusts. The top-level module or package is copied as it is
on disk. Its imports other than torch, NumPy and the standard library are not available in the sandbox. A package that is named
in the task brings its dependencies: :mod:`harness.references.own_network`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from harness.errors import TaskInvalidError
from harness.tasks.task import Task, TaskData
from harness.tasks.yaml.wording import near_match
from reference_models.networks.recipe import LIBRARIES, ArchitectureSpec, ModelSpec, Recipe

LEFT_OUT = frozenset({"__pycache__", ".git"})
PRESENT = frozenset({"reference_models", "torch", *LIBRARIES})  # installed in every sandbox, or bundled for it
MAX_BYTES = 100 << 20


def own_module(architecture: ArchitectureSpec) -> str | None:
    """Return the top-level module of an importable architecture; None for one that is built in, of a library or in a package."""
    module, colon, _ = architecture.name.partition(":")
    top = module.partition(".")[0]
    return top if colon and top not in PRESENT and architecture.package is None else None


def module_files(task: Task) -> dict[str, Path]:
    """Return the files of an importable architecture's top-level module, by their paths in the folder that travels.

    Raises:
        TaskInvalidError: the module does not exist, is too large, or is not a file or package folder.
    """
    name = own_module(task.architecture)
    return {} if name is None else {str(path): place for path, place in _files(name, task)}


def _files(name: str, task: Task) -> Sequence[tuple[Path, Path]]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise TaskInvalidError(
            f"The task {task.name!r}: the architecture {task.architecture.name!r} cannot be imported: there is no module "
            f"{name!r}{near_match(name, list(LIBRARIES))}. Install its package, or add its folder to PYTHONPATH."
        )
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if not places:
        if spec.origin is None or not Path(spec.origin).is_file():
            raise TaskInvalidError(
                f"The task {task.name!r}: the architecture's module {name!r} cannot be copied into the sandbox: it is not a file "
                f"({spec.origin}). Unpack it, or move the network into a package."
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
            f"The task {task.name!r}: the architecture's package {name!r} has more than {MAX_BYTES >> 20} MiB, too much to be "
            "copied into the sandbox. Move the network into its own package."
        )
    return found


def batch_sizes(recipe: Recipe, data: TaskData) -> list[int]:
    """Return the batch sizes to try a network with: 2, and those of the last batch of an epoch."""
    sizes = {2}
    if not recipe.drop_last:
        n_retain, n_forget = len(data.retain), len(data.forget)
        sizes |= {n % recipe.batch_size for n in (n_retain, n_retain + n_forget)} - {0}
    return sorted(sizes)


def check_network(task: Task, spec: ModelSpec, data: TaskData) -> None:
    """Run a trial training step of the network on this machine's CPU.

    Raises:
        TaskInvalidError: if the network cannot be trained; the message names the layer or shape at fault.
    """
    from harness_guest.trial import NetworkError, try_network

    sizes = batch_sizes(task.recipe, data) if task.sisa is None else [2]
    try:
        try_network(spec, sizes)
    except NetworkError as error:
        raise TaskInvalidError(refusal(task, str(error), "on this machine")) from error


def refusal(task: Task, why: str, where: str) -> str:
    """Return the message for a network that failed its trial step."""
    advice = ""
    if "batch of 1 example" in why:
        advice = (
            f" The last batch of an epoch has it: change the batch_size of {task.recipe.batch_size}, or set drop_last: true "
            "in the recipe."
        )
    if "No module named" in why:
        advice = (
            " Beside torch, NumPy and the standard library, the sandbox has the architecture's own module, or its package and "
            "the dependencies that the package declares."
        )
    return (
        f"The task {task.name!r}: the network {task.architecture.name!r} failed a trial step {where} before training: "
        f"{why}.{advice}"
    )
