"""Wheels of plugins: reading, checking and collecting them for the sandbox's Python."""
