"""The command line: parses options, calls one use case, prints, exits. The only package that knows click."""

from harness.cli.root import main

__all__ = ["main"]
