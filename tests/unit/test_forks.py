"""Commands of tests are forked unless their variables are read by an interpreter or a library when it starts."""

from __future__ import annotations

import os

import pytest

from tests import forks


def test_what_torch_sets_while_it_trains_in_this_process_makes_no_later_command_a_new_interpreter() -> None:
    before = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    import torch

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).step()

    assert forks.possible(before)


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LC_ALL", "OMP_NUM_THREADS", "TORCH_HOME"])
def test_a_variable_that_is_read_at_the_start_needs_a_new_interpreter(name: str) -> None:
    assert not forks.possible({**os.environ, name: "7"})
