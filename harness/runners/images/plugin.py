"""The plugin image: a guest image plus one layer with a plugin and its dependencies, addressed by content."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.core.cache import cache_root, file_sha256
from harness.runners.base import PluginBundle
from harness.runners.engine.client import Engine
from harness.runners.engine.types import LABEL, Progress, silent
from harness.runners.images.build_context import building, sandbox_file, write_context
from harness.runners.images.guest import GuestImage
from harness.runners.images.torch import FACTS
from harness.runners.wheels.collection import digest_of

PLUGIN = "plugin"
REPOSITORY = "unlearning-harness/plugin"
PLUGIN_PATH = "/opt/plugin"


@dataclass(frozen=True)
class PluginImage:
    """A guest image with one plugin.

    Attributes:
        id: "sha256:…".
        tag: name with the first 12 hex digits of the digest of all inputs.
        guest: image that this one is built on.
        plugin_path: folder of the plugin's modules in the image.
    """

    id: str
    tag: str
    guest: GuestImage
    plugin_path: str = PLUGIN_PATH


def ensure_plugin_image(
    engine: Engine, guest: GuestImage, bundle: PluginBundle, progress: Progress = silent
) -> PluginImage:
    """Return the image with the plugin's files; build it if it is missing. No plugin code is run.

    Raises:
        ImageBuildError: if a build step failed.
        PluginPackagingError: if a wheel is invalid.
        NoSpaceError: if a disk is full.
    """
    dockerfile = sandbox_file("plugin.dockerfile")
    wheels = [file_sha256(path) for path in bundle.wheels]
    tag = f"{REPOSITORY}:{digest_of(guest.id, dockerfile.decode(), bundle.facts.digest, wheels)[:12]}"
    with building():
        image = engine.image(tag)
        if image is None:
            provider = {"distribution": bundle.facts.distribution, "version": bundle.facts.version}
            progress(f"adding {bundle.facts.distribution} {bundle.facts.version} to the sandbox image")
            facts = {**provider, "guest": guest.id, "torch": guest.torch, "python": guest.python}
            labels = {LABEL: PLUGIN, FACTS: json.dumps(facts, sort_keys=True)}
            with write_context({"Dockerfile": dockerfile}, cache_root(), bundle.wheels, "plugin") as context:
                image = engine.build(context, tag=tag, arguments={"BASE": guest.id}, labels=labels, progress=progress)
    return PluginImage(image.id, tag, guest)
