"""What the quick commands must not import: the libraries that take longest to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = (
    "torch",
    "numpy",
    "scipy",
    "docker",
    "pydantic",
    "jinja2",
    "jsonschema",
    "pandas",
    "yaml",
    "safetensors",
)
"""Import packages that a command need not load to list what is installed."""

RUN = """
import sys
from harness.cli import main
sys.argv = ["harness", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    code = end.code
sys.stderr.write("loaded " + " ".join({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def _loaded(*arguments: str) -> set[str]:
    """Import packages that are loaded once a command has ended."""
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("loaded ")[2].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("plugins",), ("run", "--help")], ids=" ".join)
def test_no_slow_library_is_imported_where_nothing_is_run(arguments: tuple[str, ...]) -> None:
    loaded = _loaded(*arguments)

    assert "harness" in loaded
    assert loaded.isdisjoint(SLOW)


def test_torch_is_not_imported_to_list_evaluators() -> None:
    """They are imported, and with them NumPy and SciPy."""
    assert _loaded("evaluators").isdisjoint({"torch", "docker"})
