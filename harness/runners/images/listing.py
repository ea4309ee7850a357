"""Listing and pruning of the sandbox's images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.reading import reason
from harness.runners.engine.client import Engine
from harness.runners.engine.types import LABEL, ImageInfo
from harness.runners.images.guest import GUEST, GuestImage, ensure_guest_image
from harness.runners.images.plugin import PLUGIN, PluginImage, ensure_plugin_image
from harness.runners.images.torch import FACTS, TORCH
from harness.runners.wheels.target import PythonTarget

UNKNOWN = "?"

__all__ = [
    "GuestImage",
    "PluginImage",
    "SandboxImage",
    "ensure_guest_image",
    "ensure_plugin_image",
    "list_images",
    "prune",
]


@dataclass(frozen=True)
class SandboxImage:
    """One row of the image list.

    Attributes:
        kind: "torch" (base plus torch), "guest" (plus the guest) or "plugin" (plus a plugin).
        tag: name of the image; its id if it has no name.
        id: "sha256:…".
        torch: torch version inside; "?" if the image's labels cannot be parsed.
        python: Python version inside; "?" if the image's labels cannot be parsed.
        content: the plugin's distribution and version, or the base image, or why the labels cannot be parsed.
        size_mib: size in MiB, shared layers included.
        created: creation time, ISO 8601.
    """

    kind: str
    tag: str
    id: str
    torch: str
    python: str
    content: str
    size_mib: float
    created: str


def list_images(engine: Engine) -> list[SandboxImage]:
    """Return the harness's images on this engine, by kind from lowest layer to highest, newest first within a kind."""
    found = [(kind, image) for kind in (TORCH, GUEST, PLUGIN) for image in engine.images({LABEL: kind, FACTS: None})]
    return [row for kind, image in found if (row := _row(kind, image)) is not None]


def prune(engine: Engine) -> list[str]:
    """Remove all plugin images, and all guest images except the newest per torch version; return their names.

    Raises:
        SandboxError: if the engine failed or an image is in use.
    """
    removed = superfluous(list_images(engine))
    for tag in removed:
        engine.remove_image(tag)
    return removed


def superfluous(rows: Sequence[SandboxImage]) -> list[str]:
    """Return the names of images that no run needs, highest layers first. ``rows`` must be newest first."""
    guests = [row for row in rows if row.kind == GUEST and row.tag != row.id]
    newest = {row.torch: row.tag for row in reversed(guests)}
    outdated = [row.tag for row in guests if row.tag != newest[row.torch]]
    return [row.tag for row in rows if row.kind == PLUGIN] + outdated


def _row(kind: str, image: ImageInfo) -> SandboxImage | None:
    """Return the row of an image; None for an intermediate image of a running build, which carries its base's labels."""
    try:
        facts = json.loads(image.labels[FACTS])
        if kind == PLUGIN and "distribution" not in facts:
            return None
        python = str(facts["python"] if "python" in facts else PythonTarget.from_json(facts["target"]).python)
        torch = str(facts["torch"])
        content = f"{facts['distribution']} {facts['version']}" if kind == PLUGIN else str(facts["base"])
    except Exception as error:  # labels are untrusted: any image may carry them
        python = torch = UNKNOWN
        content = f"{FACTS} cannot be parsed: {reason(error)}"
    return SandboxImage(
        kind=kind,
        tag=image.tags[0] if image.tags else image.id,
        id=image.id,
        torch=torch,
        python=python,
        content=content,
        size_mib=image.size_bytes / (1 << 20),
        created=image.created,
    )
