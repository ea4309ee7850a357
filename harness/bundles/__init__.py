"""What goes into the sandbox for one plugin, made without importing or running anything of it on the host."""

from harness.bundles.resolving import materialise, resolve
from harness.runners.base import PluginBundle

__all__ = ["PluginBundle", "materialise", "resolve"]
