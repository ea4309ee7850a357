"""Bundled evaluators: pure functions of arrays, one hook implementation each."""
