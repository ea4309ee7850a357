"""Plugin bundles: the wheels installed into the sandbox for one plugin, collected without running plugin code on the host."""

from harness.bundles.resolving import CHOICE, materialise, resolve
from harness.runners.base import PluginBundle

__all__ = ["CHOICE", "PluginBundle", "materialise", "resolve"]
