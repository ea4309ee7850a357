"""The guest image: a torch image plus the guest's code. Built once per torch version and base, then reused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.cache import cache_root, file_sha256
from harness.runners.engine.client import Engine
from harness.runners.engine.types import LABEL, ImageInfo, Progress, silent
from harness.runners.images.build_context import building, package_folder, sandbox_file, tree, write_context
from harness.runners.images.torch import FACTS, TorchImage, ensure_torch_image
from harness.runners.wheels.collection import digest_of
from harness.runners.wheels.target import PythonTarget

GUEST = "guest"
REPOSITORY = "unlearning-harness/guest"
MODULES = ("harness_guest", "reference_models")


@dataclass(frozen=True)
class GuestImage:
    """An image with torch and the guest.

    Attributes:
        id: "sha256:…".
        tag: name with the first 12 hex digits of the digest of all inputs.
        torch: torch version inside, with its local part, e.g. "2.13.0+cpu".
        target: Python inside.
        packages: canonical name -> version of every distribution installed inside.
        base: reference of the base image.
    """

    id: str
    tag: str
    torch: str
    target: PythonTarget
    packages: Mapping[str, str]
    base: str

    @property
    def python(self) -> str:
        """Return the version of the Python inside, e.g. "3.11.2"."""
        return self.target.python


def ensure_guest_image(
    engine: Engine,
    *,
    torch: str | None = None,
    base: str | None = None,
    rebuild: bool = False,
    progress: Progress = silent,
) -> GuestImage:
    """Return the guest image for a torch version and base; build it if it is missing or the guest's code has changed.

    Args:
        engine: engine that builds and stores the image.
        torch: version, e.g. "2.13.0" or "2.13.0+cpu"; None for the host's version.
        base: image reference; None for the default, see :func:`~harness.runners.images.base.resolve_base`.
        rebuild: build even if the image exists.
        progress: called with a line of text for each step.

    Raises:
        ImageBuildError: if there is no base image, there are no wheels, or a build step failed.
        NoSpaceError: if a disk is full.
    """
    with building():
        below = ensure_torch_image(engine, torch, base, rebuild, progress)
        dockerfile, sources = sandbox_file("guest.dockerfile"), _sources()
        digests = {name: file_sha256(path) for name, path in sources.items()}
        tag = f"{REPOSITORY}:{digest_of(below.id, dockerfile.decode(), digests)[:12]}"
        image = engine.image(tag)
        if image is None or rebuild:
            progress("adding the guest to the sandbox image")
            image = _build(engine, tag, below, {"Dockerfile": dockerfile, **sources}, progress)
    return GuestImage(image.id, tag, below.packages["torch"], below.target, below.packages, below.base)


def _build(
    engine: Engine, tag: str, below: TorchImage, files: Mapping[str, Path | bytes], progress: Progress
) -> ImageInfo:
    facts = {"torch": below.packages["torch"], "python": below.target.python, "base": below.base}
    labels = {LABEL: GUEST, FACTS: json.dumps(facts, sort_keys=True)}
    arguments = {"BASE": below.id, "SITE": below.site}
    with write_context(files, cache_root()) as context:
        return engine.build(context, tag=tag, arguments=arguments, labels=labels, progress=progress)


def _sources() -> dict[str, Path]:
    """Return the guest's source files, by their names in the build context."""
    sources: dict[str, Path] = {}
    for module in MODULES:
        sources |= tree(package_folder(module), f"guest/{module}")
    return sources
