"""The guest image: torch of one version, and our guest. Built once per torch and base, and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.cache import cache_root, file_sha256
from harness.runners.build_context import building, package_folder, sandbox_file, tree, write_context
from harness.runners.engine import Engine
from harness.runners.engine_types import LABEL, ImageInfo, Progress, silent
from harness.runners.target import PythonTarget
from harness.runners.torch_image import FACTS, TorchImage, ensure_torch_image
from harness.runners.wheels import digest_of

GUEST = "guest"
REPOSITORY = "unlearning-harness/guest"
MODULES = ("harness_guest", "reference_models")


@dataclass(frozen=True)
class GuestImage:
    """A guest image.

    Attributes:
        id: "sha256:…".
        tag: name with the first 12 hex digits of the digest of all that went in.
        torch: version inside, with its local part, e.g. "2.13.0+cpu".
        target: the Python inside.
        packages: canonical distribution name -> version, all that is installed inside.
        base: reference of the image below.
    """

    id: str
    tag: str
    torch: str
    target: PythonTarget
    packages: Mapping[str, str]
    base: str

    @property
    def python(self) -> str:
        """Version of the Python inside, e.g. "3.11.2"."""
        return self.target.python


def ensure_guest_image(
    engine: Engine,
    *,
    torch: str | None = None,
    base: str | None = None,
    rebuild: bool = False,
    progress: Progress = silent,
) -> GuestImage:
    """The guest image for a torch version and a base image, built when it is not there or the guest's code has changed.

    Args:
        engine: where to build.
        torch: version, e.g. "2.13.0" or "2.13.0+cpu"; None for that of the host.
        base: image reference; None to look for one, see :func:`~harness.runners.base_image.resolve_base`.
        rebuild: build even if there is one.
        progress: told each step.

    Raises:
        ImageBuildError: no base image, no wheels, or a build step failed.
        NoSpaceError: a disk is full.
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
    """The guest's modules by their names in the context."""
    sources: dict[str, Path] = {}
    for module in MODULES:
        sources |= tree(package_folder(module), f"guest/{module}")
    return sources
