"""Hostile plugins, and the judgement of whether a sandbox held; for the suite and for ``harness doctor --attack``."""
