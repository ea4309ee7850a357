"""The torch image: a base image plus one torch version. It is large and slow to build, so it is a layer of its own."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import Version

from harness.core.cache import cache_root, file_sha256
from harness.core.reading import foreign
from harness.errors import ImageBuildError
from harness.runners.engine.client import Engine
from harness.runners.engine.types import LABEL, ImageInfo, Progress
from harness.runners.images.base import probe_base, resolve_base
from harness.runners.images.build_context import sandbox_file, write_context
from harness.runners.wheels.collection import Wheelhouse, WheelsUnavailableError, collect, digest_of
from harness.runners.wheels.target import PythonTarget

TORCH = "torch"
REPOSITORY = "unlearning-harness/torch"
PACKAGES = ("numpy", "safetensors", "pluggy")
VENV = "/opt/harness"
RECIPE, FACTS = "harness.recipe", "harness.facts"


@dataclass(frozen=True)
class TorchImage:
    """A base image with torch.

    Attributes:
        id: "sha256:…".
        target: Python inside.
        packages: canonical name -> version of every distribution installed inside.
        base: reference of the base image.
    """

    id: str
    target: PythonTarget
    packages: Mapping[str, str]
    base: str

    @property
    def site(self) -> str:
        """Return the site-packages folder in the image."""
        return f"{VENV}/lib/python{self.target.short}/site-packages"


def ensure_torch_image(
    engine: Engine, torch: str | None, base: str | None, rebuild: bool, progress: Progress
) -> TorchImage:
    """Return the image for a torch version (None: the host's) and a base; build it if it is missing.

    Raises:
        ImageBuildError: if there is no base image, there are no wheels, or a build step failed.
        NoSpaceError: if a disk is full.
    """
    versions = _builds(torch)
    reference, base_info = resolve_base(engine, base, progress)
    dockerfile = sandbox_file("Dockerfile")
    recipe = digest_of(base_info.id, versions, PACKAGES, dockerfile.decode())
    known = [] if rebuild else engine.images({LABEL: TORCH, RECIPE: recipe})
    if known:
        return _torch_image(known[0])
    target = probe_base(engine, reference, base_info)
    house = _wheels(versions, target, progress)
    image = TorchImage("", target, house.versions, reference)
    facts = {
        "torch": house.versions["torch"],
        "target": target.to_json(),
        "packages": house.versions,
        "base": reference,
    }
    digest = digest_of(recipe, {path.name: file_sha256(path) for path in house.paths})
    progress(f"building an image with torch {house.versions['torch']}")
    with write_context({"Dockerfile": dockerfile}, cache_root(), house.paths, "packages") as context:
        built = engine.build(
            context,
            tag=f"{REPOSITORY}:{digest[:12]}",
            arguments={"BASE": base_info.id, "SITE": image.site},
            labels={LABEL: TORCH, RECIPE: recipe, FACTS: json.dumps(facts, sort_keys=True)},
            progress=progress,
        )
    return _torch_image(built)


def _builds(torch: str | None) -> list[str]:
    """Return the versions to try: for the host's release first the host's build (e.g. CPU only), else ``torch`` itself."""
    if torch is None:
        return _host_torch()
    try:
        host = _host_torch()
    except ImageBuildError:
        return [torch]
    return host if torch in host else [torch]


def _host_torch() -> list[str]:
    """Return the host's torch version with its local part (if any), then without."""
    try:
        full = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise ImageBuildError("torch is not installed on the host; pass a version with `--torch VERSION`") from None
    return list(dict.fromkeys([full, Version(full).public]))


def _wheels(versions: list[str], target: PythonTarget, progress: Progress) -> Wheelhouse:
    reasons = []
    for version in versions:
        progress(f"downloading wheels of torch {version} for Python {target.python}")
        try:
            return collect([f"torch=={version}", *PACKAGES], target, progress=progress)
        except WheelsUnavailableError as error:
            reasons.append(f"torch=={version}: {error}")
    raise ImageBuildError(
        f"No wheels of torch for Python {target.python} on {target.machine}. pip's output:\n"
        + "\n".join(reasons)
        + "\n"
        "Choose another version with `--torch`, or a base image with another Python with `--base`. pip's configuration, e.g. "
        "an index with the wheels you want, is used."
    )


def _torch_image(image: ImageInfo) -> TorchImage:
    what = f"the label {FACTS} of the image {image.id} cannot be parsed"
    with foreign(what, ImageBuildError, f"Remove the image: docker rmi -f {image.id}"):
        facts = json.loads(image.labels[FACTS])
        packages = {str(name): str(version) for name, version in facts["packages"].items()}
        return TorchImage(image.id, PythonTarget.from_json(facts["target"]), packages, str(facts["base"]))
