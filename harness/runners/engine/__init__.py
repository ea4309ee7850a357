"""The Docker engine: the client, containers under lockdown, control groups, GPUs, removal of orphaned containers.

:mod:`harness.runners.engine.client` is the only module that imports ``docker``.
"""
