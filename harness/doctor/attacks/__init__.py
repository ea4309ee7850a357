"""Hostile plugins and the assessment of their attacks, for the tests and ``harness doctor --attack``."""
