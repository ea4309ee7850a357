"""Plugin bundles: the wheels installed into the sandbox for one plugin, collected without running plugin code on the host."""

from harness.bundles.resolving import materialise, resolve
from harness.runners.base import PluginBundle

__all__ = ["PluginBundle", "materialise", "resolve"]
