"""A plugin and its dependencies as a layer on top of a guest image, addressed by content."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.cache import cache_root, file_sha256
from harness.runners.base import PluginBundle
from harness.runners.build_context import building, sandbox_file, write_context
from harness.runners.engine import Engine
from harness.runners.engine_types import LABEL, Progress, silent
from harness.runners.guest_image import GuestImage
from harness.runners.torch_image import FACTS
from harness.runners.wheels import digest_of

PLUGIN = "plugin"
REPOSITORY = "unlearning-harness/plugin"
PLUGIN_PATH = "/opt/plugin"


@dataclass(frozen=True)
class PluginImage:
    """A guest image with one plugin on top.

    Attributes:
        id: "sha256:…".
        tag: name with 12 hex digits.
        guest: the image below.
        plugin_path: folder of the plugin's modules in the image.
    """

    id: str
    tag: str
    guest: GuestImage
    plugin_path: str = PLUGIN_PATH


def ensure_plugin_image(
    engine: Engine, guest: GuestImage, bundle: PluginBundle, progress: Progress = silent
) -> PluginImage:
    """The guest image with the plugin's files on top, built when it is not there. Nothing of the plugin is run.

    Raises:
        ImageBuildError: a build step failed.
        PluginPackagingError: a wheel is not sound.
        NoSpaceError: a disk is full.
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
