"""The host: finds unlearning plugins, runs each in a sandbox under a wall-clock limit, judges what comes back."""

from harness._version import __version__

__all__ = ["__version__"]
