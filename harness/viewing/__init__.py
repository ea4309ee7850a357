"""A local page over all runs of a folder, which refreshes while a run is under way; served on loopback alone."""

from harness.viewing.server import ViewServer

__all__ = ["ViewServer"]
