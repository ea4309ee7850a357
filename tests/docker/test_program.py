"""``harness run`` in real containers, from the command line to the report."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from harness.report.writing import load_report
from harness.runners.engine.client import Engine
from harness.runners.engine.reaper import RUN
from harness.runners.images.guest import GuestImage
from tests.program import TASK, Program, make_wheel, report_of, until

pytestmark = pytest.mark.docker
STRANGER = Path(__file__).parent.parent / "assets" / "stranger"
ENDLESS = 'import pluggy, time\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    while True:\n        time.sleep(1)\n'


def _containers(engine: Engine, run: Path) -> list[str]:
    """Of one run, for others may be going on."""
    return [state.id for state in engine.containers({RUN: json.loads((run / "run.json").read_text())["run_id"]})]


def _begun(engine: Engine, run: Path) -> bool:
    """Return whether the first model is in its container."""
    return (run / "models" / "0000" / "attempts.json").exists() and bool(_containers(engine, run))


def test_a_strangers_source_directory_runs_though_it_is_not_installed_under_the_limits_asked_for(
    program: Program, engine: Engine, task: Path, tmp_path: Path
) -> None:
    ended = program(
        "run", "--plugin", STRANGER, "--task", task, "--runner", "docker", "--time-limit", "60", "--models", "2",
        "--memory", "1024", "--cpus", "1", "--output", tmp_path / "r",
    )  # fmt: skip

    assert ended.code == 0, ended.err + ended.out
    report = load_report(tmp_path / "r")
    assert (report.status, report.runner.name, report.plugin.origin) == ("complete", "docker", "source")
    assert report.runner.image is not None
    runner = report_of(tmp_path / "r")["runner"]
    assert runner["effective"] == runner["requested"]
    assert runner["effective"]["memory_mib"] == 1024
    assert _containers(engine, tmp_path / "r") == []


@pytest.mark.slow  # two workers, in test_workers.py, are stopped by the first of these signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_container_and_says_how_to_go_on(
    program: Program, engine: Engine, task: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = program.start(
        "run", "--plugin", make_wheel(tmp_path, ENDLESS), "--task", task, "--runner", "docker", "--time-limit", "250",
        "--models", "1", "--output", tmp_path / "r",
    )  # fmt: skip
    until(process, lambda: _begun(engine, tmp_path / "r"))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert f"harness resume {tmp_path / 'r'}" in err
    assert _containers(engine, tmp_path / "r") == []


def test_a_run_killed_outright_is_cleaned_up_by_the_next_one(
    program: Program, engine: Engine, task: Path, tmp_path: Path
) -> None:
    common = ("--task", task, "--runner", "docker", "--models", "1")
    process = program.fork(
        "run", "--plugin", make_wheel(tmp_path, ENDLESS), *common, "--time-limit", "250", "--output", tmp_path / "r"
    )
    until(process, lambda: _begun(engine, tmp_path / "r"))
    process.kill()
    process.communicate(timeout=60)

    ended = program(
        "run",
        "--plugin",
        "noop",
        *common,
        "--time-limit",
        "60",
        "--evaluator",
        "accuracy",
        "--output",
        tmp_path / "next",
    )

    assert ended.code == 0, ended.err
    assert [_containers(engine, tmp_path / name) for name in ("r", "next")] == [[], []]


@pytest.mark.slow
def test_real_images_rank_retrain_before_finetune_before_noop(program: Program, tmp_path: Path) -> None:
    auc = {}
    for plugin, fraction in (("retrain", "5"), ("finetune", "1"), ("noop", "1")):
        ended = program(
            "run", "--plugin", plugin, "--task", "fashion-mnist", "--runner", "docker", "--models", "16",
            "--budget-fraction", fraction, "--output", tmp_path / plugin,
        )  # fmt: skip
        assert ended.code == 0, ended.err + ended.out
        metric = load_report(tmp_path / plugin).metric("lira", "auc")
        assert metric is not None
        auc[plugin] = metric.value

    assert sorted(auc, key=lambda plugin: auc[plugin] or 0.0) == ["retrain", "finetune", "noop"]


def test_a_journal_of_training_reaches_the_model_in_its_container(program: Program, tmp_path: Path) -> None:
    (tmp_path / "recorded.yaml").write_text(TASK.replace("name: tiny", "name: tiny-recorded") + "journal: true\n")
    ended = program(
        "run", "--plugin", "amnesiac", "--task", tmp_path / "recorded.yaml", "--runner", "docker", "--time-limit", "60",
        "--models", "2", "--evaluator", "accuracy", "--output", tmp_path / "r",
    )  # fmt: skip

    assert ended.code == 0, ended.err + ended.out
    report = load_report(tmp_path / "r")
    assert (report.status, report.runner.name) == ("complete", "docker")
    assert report.journal is not None
    assert report.journal.originals == 2


OWN_NETWORK = """
from torch import nn
def net(c, size, k): return nn.Sequential(nn.Flatten(), nn.Linear(c * size[0] * size[1], k))
def lacking(c, size, k):
    import rich
    return net(c, size, k)
"""


def test_a_network_of_ones_own_travels_into_the_container_and_what_it_lacks_there_is_told_before_training(
    program: Program, task: Path, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ownnet.py").write_text(OWN_NETWORK)
    ended = {}
    for name in ("net", "lacking"):
        task.write_text(TASK.replace("{name: small-cnn, options: {width: 8}}", f'{{name: "ownnet:{name}"}}'))
        ended[name] = program(
            "run", "--plugin", "noop", "--task", task, "--runner", "docker", "--time-limit", "60", "--models", "2",
            "--output", tmp_path / name, "--evaluator", "accuracy", PYTHONPATH=str(tmp_path / "lib"),
        )  # fmt: skip

    assert ended["net"].code == 0, ended["net"].err
    assert [model["status"] for model in report_of(tmp_path / "net")["models"]] == ["ok", "ok"]
    assert ended["lacking"].code == 21
    assert "No module named 'rich'" in ended["lacking"].err
    assert "Beside torch, NumPy and the standard library, the sandbox has the architecture's own module" in ended[
        "lacking"
    ].err.replace("\n", " ")
    assert "training reference models" not in ended["lacking"].err


def test_the_contents_of_the_image_are_listed_as_a_method_finds_them(program: Program, guest: GuestImage) -> None:
    ended = program("image", "packages")

    assert ended.code == 0, ended.err
    listed = {
        canonicalize_name(words[0]): words[1] for line in ended.out.splitlines() if len(words := line.split()) == 2
    }
    assert guest.packages.items() <= listed.items()
    assert f"Python: {guest.python}" in ended.out
    assert "Compilers: none" in ended.out
    assert "GPU: none: a CPU build" in ended.out
    assert f"Image: {guest.tag}" in ended.out
