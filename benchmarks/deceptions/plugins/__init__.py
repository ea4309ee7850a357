"""Deceptions as unlearners that really run; packed into a wheel by :mod:`benchmarks.deceptions.wheel`."""
