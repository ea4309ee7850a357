"""Reference models: the originals and the retrained models of a task, trained in worker processes and cached.

The training itself is in :mod:`reference_models`. A change here must not change what a cached population contains.
"""
