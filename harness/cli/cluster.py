"""Options of commands that work on a cluster's nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from harness.cli.options import config_options

Command = TypeVar("Command", bound=Callable[..., Any])


def engine_options(command: Command) -> Command:
    """Give a command ``--engine``, ``--address`` and ``--insecure-cluster``."""
    return config_options("engine", "address", "insecure_cluster")(command)


def check_engine(engine: str, address: str | None, insecure: bool) -> bool:
    """Return True if the command works on a cluster; raise UsageError for options of one without ``--engine ray``."""
    from harness.errors import UsageError

    if engine == "local" and (address or insecure):
        raise UsageError("--address and --insecure-cluster are for `--engine ray`.")
    return engine == "ray"
