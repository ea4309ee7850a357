"""Finds the image that the sandbox is built on, and what Python it has."""

from __future__ import annotations

import importlib.resources
import json
import os

from harness.errors import ImageBuildError
from harness.reading import foreign
from harness.runners.engine import Engine
from harness.runners.engine_types import ContainerSpec, ImageInfo, Progress
from harness.runners.oneshot import run_once
from harness.runners.target import PROBE, PythonTarget

BASE_VARIABLE = "HARNESS_BASE_IMAGE"
LOCAL_BASE = "unlearning-harness-base:latest"
PUBLIC_BASE = "python:3.11-slim-bookworm"


def resolve_base(engine: Engine, base: str | None, progress: Progress) -> tuple[str, ImageInfo]:
    """The base image: ``base``, else ``HARNESS_BASE_IMAGE``, else a local one of our name, else a public Python image.

    Returns:
        Its reference and what the engine says about it.

    Raises:
        ImageBuildError: it is not on this machine and cannot be fetched; the message says how to make one.
    """
    named = base or os.environ.get(BASE_VARIABLE)
    for reference in [named] if named else [LOCAL_BASE, PUBLIC_BASE]:
        image = engine.image(reference)
        if image is not None:
            return reference, image
    reference = named or PUBLIC_BASE
    progress(f"fetching the base image {reference}")
    try:
        return reference, engine.pull(reference, progress)
    except ImageBuildError as error:
        raise ImageBuildError(
            f"{error}\nThe sandbox needs a base image with Python 3.10 or newer on glibc. Make one from the Debian mirror "
            f"with `sudo sh {make_base_script()}` (it becomes {LOCAL_BASE}), name a local one with `--base IMAGE` or "
            f"{BASE_VARIABLE}, or run a plugin you trust with `--runner process`, without isolation."
        ) from error


def make_base_script() -> str:
    """Where the script lies that makes a base image without an image registry."""
    return str(importlib.resources.files("harness.sandbox").joinpath("make-base.sh"))


def probe_base(engine: Engine, reference: str, image: ImageInfo) -> PythonTarget:
    """Run the image's Python once, locked down, and see what it is.

    Raises:
        ImageBuildError: there is none, or none that can be used.
    """
    spec = ContainerSpec(
        image=image.id,
        name="harness-probe",
        entrypoint=("python3", "-I", "-c", PROBE),
        memory_mib=512,
        pids=64,
        tmpfs_mib=16,
    )
    advice = "Take another base image with `--base`."
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
