"""Networks of a user's own: they travel into the guest, and those that cannot be trained are refused before training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.program import TASK, Ended, Program, report_of

NETWORKS = """
import os, signal, sys
import torch
from torch import nn

def net(c, size, k):
    return nn.Sequential(nn.Flatten(), nn.Linear(c * size[0] * size[1], k))

def bf16(c, size, k): return net(c, size, k).to(torch.bfloat16)

class Complex(nn.Module):
    def __init__(self, c, size, k):
        super().__init__()
        self.n, self.z = net(c, size, k), nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    def forward(self, x): return self.n(x) + self.z.abs().sum()

def norm(c, size, k):
    return nn.Sequential(nn.Flatten(), nn.Linear(c * size[0] * size[1], 16), nn.BatchNorm1d(16), nn.Linear(16, k))

def one(c, size, k): return net(c, size, 1)
def more(c, size, k): return net(c, size, k + 1)

class Pair(nn.Module):
    def __init__(self, c, size, k):
        super().__init__(); self.n = net(c, size, k)
    def forward(self, x): return self.n(x), x

class Note(nn.Module):
    def __init__(self, c, size, k):
        super().__init__(); self.n = net(c, size, k)
    def get_extra_state(self): return {"a": 1}
    def set_extra_state(self, state): pass
    def forward(self, x): return self.n(x)

class Frozen(nn.Module):
    def __init__(self, c, size, k):
        super().__init__(); self.n = net(c, size, k).requires_grad_(False)
    def forward(self, x): return self.n(x)

def double(c, size, k): return net(c, size, k).double()
def leaves(c, size, k): sys.exit(0)
def nothing(c, size, k): return 5
def wide(c, size, k): return nn.Sequential(nn.Flatten(), nn.Linear(7, k))
def here_alone(c, size, k):
    if os.environ.get("USER") == "harness":
        import no_such_module_in_the_sandbox
    return net(c, size, k)
def in_a_model_s_process():
    return os.environ.get("USER") == "harness" and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
def fails_late(c, size, k):
    if in_a_model_s_process():
        raise RuntimeError("its own cause")
    return net(c, size, k)
def killed_late(c, size, k):
    if in_a_model_s_process():
        os.kill(os.getpid(), 9)
    return net(c, size, k)
def killed_there(c, size, k):
    if os.environ.get("USER") == "harness":
        os.kill(os.getpid(), 9)
    return net(c, size, k)
"""


def run(program: Program, folder: Path, network: str, change: tuple[str, str] = ("", ""), *options: str) -> Ended:
    (folder / "lib").mkdir()
    (folder / "lib" / "mynet.py").write_text(NETWORKS)
    task = TASK.replace("{name: small-cnn, options: {width: 8}}", f'{{name: "{network}"}}').replace(*change)
    assert task != TASK
    (folder / "own.yaml").write_text(task)
    return program(
        "run", "--plugin", "noop", "--task", "own.yaml", "--runner", "process", "--time-limit", "60", "--models", "2",
        "--cpus", "1", "--output", "r", *options, PYTHONPATH=str(folder / "lib"), USER="me",
    )  # fmt: skip


def test_a_network_of_ones_own_that_only_pythonpath_finds_is_run(program: Program, tmp_path: Path) -> None:
    ended = run(program, tmp_path, "mynet:net", ("", ""), "--evaluator", "accuracy")

    assert ended.code == 0, ended.err
    assert [model["status"] for model in report_of(tmp_path / "r")["models"]] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("network", "change", "said"),
    [
        ("mynet:bf16", ("", ""), "'1.weight' has dtype torch.bfloat16"),
        ("mynet:Complex", ("", ""), "'z' has dtype torch.complex64"),
        (
            "mynet:norm",
            ("batch_size: 40", "batch_size: 11"),
            "a batch of 1 example fails in its layer '2' (BatchNorm1d)",
        ),
        (
            "mynet:one",
            ("", ""),
            "returns shape (2, 1) for a batch of 2 examples; it must return logits of shape (2, 10)",
        ),
        ("mynet:more", ("", ""), "returns shape (2, 11)"),
        ("mynet:Pair", ("", ""), "returns a tuple"),
        ("mynet:Note", ("", ""), "'_extra_state' in its state is a dict"),
        ("mynet:Frozen", ("", ""), "the backward pass of a batch of 2 examples fails"),
        ("mynet:double", ("", ""), "fails in its layer '1' (Linear)"),
        ("mynet:wide", ("", ""), "fails in its layer '1' (Linear)"),
        ("mynet:leaves", ("", ""), "cannot be built: SystemExit"),
        ("mynet:nothing", ("", ""), "returns a int; a factory must return a torch.nn.Module"),
        ("mynet:gone", ("", ""), "cannot be imported: module 'mynet' has no attribute 'gone'"),
        ("nonet:net", ("", ""), "there is no module 'nonet'. Install its package, or add its folder to PYTHONPATH"),
        (
            "mynet:here_alone",
            ("", ""),
            "failed a trial step inside the sandbox before training: mynet:here_alone",
        ),
        ("mynet:killed_there", ("", ""), "its process was killed by signal 9"),
    ],
)
def test_a_network_that_cannot_be_trained_is_refused_before_training(
    program: Program, tmp_path: Path, network: str, change: tuple[str, str], said: str
) -> None:
    ended = run(program, tmp_path, network, change)

    assert (ended.code, said in ended.err.replace("\n", " ")) == (21, True), ended.err
    assert "training reference models" not in ended.err


def test_a_process_that_fails_while_it_loads_the_model_gives_its_own_cause(program: Program, tmp_path: Path) -> None:
    run(program, tmp_path, "mynet:fails_late")
    models = report_of(tmp_path / "r")["models"]

    assert [model["status"] for model in models] == ["setup_error"] * 2
    assert {model["evidence"]["error_message"] for model in models} == {"its own cause"}
    assert "could not be loaded inside the sandbox" in models[0]["advice"]


def test_a_run_stops_at_the_third_infrastructure_error_of_one_cause_and_can_be_resumed(
    program: Program, tmp_path: Path
) -> None:
    ended = run(program, tmp_path, "mynet:killed_late", ("", ""), "--models", "5")

    said = " ".join(ended.err.split())
    assert ended.code == 32
    assert "3 models in a row ended with the same failure of the sandbox, so the run stops: the model's process" in said
    assert "harness resume r" in said.replace(f"{tmp_path}/", "")
    assert len(list((tmp_path / "r" / "models").iterdir())) == 3


@pytest.mark.slow
def test_a_changed_network_of_ones_own_is_trained_anew_and_its_run_cannot_go_on(
    program: Program, tmp_path: Path
) -> None:
    assert run(program, tmp_path, "mynet:killed_late", ("", ""), "--models", "3").code == 32
    (tmp_path / "lib" / "mynet.py").write_text(NETWORKS + "# changed\n")
    variables = {"PYTHONPATH": str(tmp_path / "lib"), "USER": "me"}
    resumed = program("resume", "r", **variables)
    anew = program(
        "run", "--plugin", "noop", "--task", "own.yaml", "--runner", "process", "--time-limit", "60", "--models", "3",
        "--output", "s", **variables,
    )  # fmt: skip

    assert "cannot be resumed because these inputs changed: network" in " ".join(resumed.err.split())
    assert "training reference models" in anew.err
