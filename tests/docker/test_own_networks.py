"""A network from a package of its author's own on arrays of their own, with a dependency and initial weights, in a container."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.pages import write_files
from tests.program import Program, make_wheel, report_of
from tests.shown import ROOT
from tests.wheels import write_wheel

pytestmark = pytest.mark.docker

PAGE = ROOT / "docs" / "how-to" / "bring-your-own-network.md"
UNLEARNER = """
import pluggy, socket, torch

@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    import my_vit, scale_helper
    assert my_vit.__file__.startswith("/opt/architecture/"), my_vit.__file__
    assert scale_helper.__file__.startswith("/opt/architecture/"), scale_helper.__file__
    try:
        socket.create_connection(("192.0.2.1", 80), 1)
    except OSError:
        pass
    else:
        raise AssertionError("there is a network")
    fresh = context.new_model()
    assert torch.equal(fresh.position, torch.full_like(fresh.position, 0.5))  # as in the file of initial weights
    assert not torch.equal(model.position, fresh.position)
    model.load_state_dict(fresh.state_dict())
"""


def test_a_transformer_by_path_is_trained_here_and_unlearned_in_a_container(program: Program, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    links = tmp_path / "links"
    links.mkdir()
    write_wheel(links, "scale-helper", {"scale_helper": "SCALE = 1.0\n"}, {})
    project = tmp_path / "my_vit" / "pyproject.toml"
    project.write_text(project.read_text() + 'dependencies = ["scale-helper==1.0"]\n')
    module = tmp_path / "my_vit" / "src" / "my_vit" / "__init__.py"
    module.write_text(module.read_text().replace("import torch\n", "import torch\nfrom scale_helper import SCALE\n", 1))
    save_file({"position": torch.full((16, 32), 0.5)}, tmp_path / "start.safetensors")
    parts = "[embed., blocks., norm., head.]"
    task = (tmp_path / "vit.yaml").read_text()
    extended = task.replace("{depth: 1}}", f"{{depth: 1}}, init: start.safetensors, init_except: {parts}}}")
    extended = extended.replace("{kind: faces, persons: 40, pictures: 6}", "{kind: arrays, file: pictures.npz}")
    extended = extended.replace("{by: subject, fraction: 0.2}", "{by: random, fraction: 0.2}").replace(
        "by: subject}", "by: example}"
    )
    assert extended.count("init: ") == extended.count("arrays") == extended.count("random") == 1
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (200, 3, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "pictures.npz", inputs=pictures, labels=np.arange(200) % 5)
    (tmp_path / "vit.yaml").write_text(extended)

    ended = program(
        "run", "--plugin", make_wheel(tmp_path, UNLEARNER), "--task", tmp_path / "vit.yaml", "--runner", "docker",
        "--time-limit", "60", "--models", "2", "--cpus", "1", "--evaluator", "accuracy", "--output", tmp_path / "r",
        PIP_FIND_LINKS=str(links),
    )  # fmt: skip

    assert ended.code == 0, ended.err
    report = report_of(tmp_path / "r")
    assert [(model["status"], model["evidence"]["error_message"]) for model in report["models"]] == [("ok", None)] * 2
    assert report["runner"]["name"] == "docker"
    assert report["architecture"]["package"] == "my-vit 0.1.0"
    assert len(report["architecture"]["init"]) == 1
