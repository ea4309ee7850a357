"""The sandbox's images: made, listed, removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.reading import reason
from harness.runners.engine import Engine
from harness.runners.engine_types import LABEL, ImageInfo
from harness.runners.guest_image import GUEST, GuestImage, ensure_guest_image
from harness.runners.plugin_image import PLUGIN, PluginImage, ensure_plugin_image
from harness.runners.target import PythonTarget
from harness.runners.torch_image import FACTS, TORCH

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
    """An image of ours as it is listed.

    Attributes:
        kind: "torch" (base and torch), "guest" (with the guest on top) or "plugin" (with a plugin on top).
        tag: its name, or its id when it has none.
        id: "sha256:…".
        torch: version inside; "?" if the image's labels cannot be read.
        python: version inside; "?" likewise.
        content: distribution and version of the plugin; else the base it stands on; or why the labels cannot be read.
        size_mib: shared layers included.
        created: ISO 8601 time.
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
    """Our images on this engine, lower ones first, newest first."""
    found = [(kind, image) for kind in (TORCH, GUEST, PLUGIN) for image in engine.images({LABEL: kind, FACTS: None})]
    return [row for kind, image in found if (row := _row(kind, image)) is not None]


def prune(engine: Engine) -> list[str]:
    """Remove the images of all plugins, and all guests but the newest of each torch version; returns their names.

    Raises:
        SandboxError: the engine failed, or an image is in use.
    """
    removed = superfluous(list_images(engine))
    for tag in removed:
        engine.remove_image(tag)
    return removed


def superfluous(rows: Sequence[SandboxImage]) -> list[str]:
    """Names of the images that no run needs any more, upper ones first; ``rows`` newest first, as they are listed."""
    guests = [row for row in rows if row.kind == GUEST and row.tag != row.id]
    newest = {row.torch: row.tag for row in reversed(guests)}
    outdated = [row.tag for row in guests if row.tag != newest[row.torch]]
    return [row.tag for row in rows if row.kind == PLUGIN] + outdated


def _row(kind: str, image: ImageInfo) -> SandboxImage | None:
    """Return the row of an image; None for a step of a build that is under way, which has the facts of the one below it."""
    try:
        facts = json.loads(image.labels[FACTS])
        if kind == PLUGIN and "distribution" not in facts:
            return None
        python = str(facts["python"] if "python" in facts else PythonTarget.from_json(facts["target"]).python)
        torch = str(facts["torch"])
        content = f"{facts['distribution']} {facts['version']}" if kind == PLUGIN else str(facts["base"])
    except Exception as error:  # anybody can give an image our labels
        python = torch = UNKNOWN
        content = f"{FACTS} cannot be read: {reason(error)}"
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
