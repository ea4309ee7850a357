"""Plugin bundles: the wheels installed into the sandbox for one plugin, collected without running plugin code on the host."""

from harness.runners.base import PluginBundle
from harness.runners.bundles.resolving import materialise, resolve

__all__ = ["PluginBundle", "materialise", "resolve"]
