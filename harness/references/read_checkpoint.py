"""Conversion of ``.pt`` checkpoints to safetensors, in a process of its own: ``python -m harness.references.read_checkpoint``.

Checkpoints are read with ``weights_only=True``, which unpickles tensors and plain containers alone. The process of its own
contains what a malformed file may do to memory. Each line of input is a JSON list: a checkpoint, and the file to write. The
answer is a line as well: empty, or why the checkpoint cannot be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

WRAPPED = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts store the state beside other things."""

PREFIXES = ("_orig_mod.", "module.")
"""What ``torch.compile`` and ``torch.nn.DataParallel`` put before every name."""


def state_in(content: Any) -> dict[str, Any]:
    """Return the state of a checkpoint: name -> tensor.

    Raises:
        ValueError: it has none.
    """
    import torch

    for name in WRAPPED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"it holds a {type(content).__name__}; save model.state_dict()")
    other = [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if other:
        raise ValueError(f"{other[0]!r} is not a tensor; save model.state_dict()")
    state = {str(name): tensor for name, tensor in content.items()}
    for prefix in (*PREFIXES, *PREFIXES):  # either may be outside
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def main() -> None:
    """Convert the checkpoints that standard input names."""
    import torch
    from safetensors.torch import save_file

    for line in sys.stdin:
        source, target = json.loads(line)
        try:
            state = state_in(torch.load(source, map_location="cpu", weights_only=True))
            save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, target)
            fault = ""
        except Exception as error:  # a damaged file may raise anything
            fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
        sys.stdout.write(f"{fault}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
