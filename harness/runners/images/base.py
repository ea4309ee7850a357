"""Selection of the sandbox's base image, and the probe for its Python."""

from __future__ import annotations

import importlib.resources
import json
import os

from harness.core.reading import foreign
from harness.errors import ImageBuildError
from harness.runners.engine.client import Engine
from harness.runners.engine.oneshot import run_once
from harness.runners.engine.types import ContainerSpec, ImageInfo, Progress
from harness.runners.wheels.target import PROBE, PythonTarget

BASE_VARIABLE = "HARNESS_BASE_IMAGE"
LOCAL_BASE = "unlearning-harness-base:latest"
PUBLIC_BASE = "python:3.11-slim-bookworm"


def resolve_base(engine: Engine, base: str | None, progress: Progress) -> tuple[str, ImageInfo]:
    """Return the first of: ``base``, ``HARNESS_BASE_IMAGE``, the local image :data:`LOCAL_BASE`, :data:`PUBLIC_BASE`.

    Returns:
        The image's reference and its description from the engine.

    Raises:
        ImageBuildError: if the image is neither local nor can be pulled; the message explains how to create one.
    """
    named = base or os.environ.get(BASE_VARIABLE)
    for reference in [named] if named else [LOCAL_BASE, PUBLIC_BASE]:
        image = engine.image(reference)
        if image is not None:
            return reference, image
    reference = named or PUBLIC_BASE
    progress(f"pulling the base image {reference}")
    try:
        return reference, engine.pull(reference, progress)
    except ImageBuildError as error:
        raise ImageBuildError(
            f"{error}\nThe sandbox needs a base image with Python 3.10 or newer on glibc. Create one from the Debian mirror "
            f"with `sudo sh {make_base_script()}` (tagged {LOCAL_BASE}), name a local one with `--base IMAGE` or "
            f"{BASE_VARIABLE}, or run a plugin you trust with `--runner process`, without isolation."
        ) from error


def make_base_script() -> str:
    """Return the path of the script that creates a base image without an image registry."""
    return str(importlib.resources.files("harness.sandbox").joinpath("make-base.sh"))


def probe_base(engine: Engine, reference: str, image: ImageInfo) -> PythonTarget:
    """Run the image's Python once in a locked-down container; return its version and platform.

    Raises:
        ImageBuildError: if the image has no usable Python.
    """
    spec = ContainerSpec(
        image=image.id,
        name="harness-probe",
        entrypoint=("python3", "-I", "-c", PROBE),
        memory_mib=512,
        pids=64,
        tmpfs_mib=16,
    )
    advice = "Choose another base image with `--base`."
    try:
        result = run_once(engine, spec)
    except Exception as error:
        if "executable file not found" not in str(error):
            raise
        raise ImageBuildError(f"the base image {reference} has no `python3`. {advice}") from error
    if result.exit_code != 0:
        raise ImageBuildError(f"the Python of the base image {reference} does not run: {result.stderr}. {advice}")
    with foreign(f"the base image {reference} cannot be used", ImageBuildError, advice):
        return PythonTarget.from_probe(json.loads(result.stdout))
