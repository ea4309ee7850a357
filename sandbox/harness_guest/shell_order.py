"""Files with the host's instructions for :mod:`harness_guest.shell`; standard library only, imported by both sides."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness_guest.protocol import Hello, Job

ORDER, DATA, ORIGINAL, JOURNAL = "order.json", "data.safetensors", "original.safetensors", "journal.safetensors"
"""Names of the files; there is a journal if the job has ``journal_bytes``."""
FAILED = 3
"""Exit status of the program "pdb" after a failure of the plugin."""


@dataclass(frozen=True)
class ShellOrder:
    """Instructions for a shell with a model and the plugin.

    Attributes:
        program: "python", "sh" for the system's shell, or "pdb" to call the plugin and debug its failure.
        hello, job: the instructions that a guest gets for a model.
        contained: the process runs in a container and installs the filter of system calls.
        code: code to execute; None to read it from the terminal.
        about: description of the sandbox, printed first on a terminal.
    """

    program: str
    hello: Hello
    job: Job
    contained: bool
    code: str | None = None
    about: str = ""

    def write(self, path: Path) -> None:
        """Write the order as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> ShellOrder:
        """Return the order that :meth:`write` wrote."""
        data: dict[str, Any] = json.loads(path.read_text())
        return cls(**{**data, "hello": Hello(**data["hello"]), "job": Job(**data["job"])})
