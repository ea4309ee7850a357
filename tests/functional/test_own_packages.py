"""Networks from packages: by path, wheel and requirement; and what is wrong with one, told before anything is trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.program import TASK, Ended, Program, make_wheel, report_of
from tests.unit.guest import networks
from tests.wheels import write_wheel

NETWORK = """
from torch import nn

def net(n_classes, input_shape, *, width=4):
    n = input_shape[0] * input_shape[1] * input_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(n, width), nn.ReLU(), nn.Linear(width, n_classes))
"""
PROJECT = """
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "flat-net"
version = "0.3"
"""
REINITIALISE = """
import pluggy

@pluggy.HookimplMarker("harness")
def unlearn(model, context):
    model.load_state_dict(context.new_model().state_dict())
"""
FOR_FACES = """

class Rows(Attention):
    def forward(self, x):
        return super().forward(x[:, :, :6, :6])


NETWORKS.update(AttentionDropout=lambda: Rows(0.5))
"""
ARCHITECTURE = "{name: small-cnn, options: {width: 8}}"


def write_package(folder: Path, source: str = NETWORK, module: str = "flat_net", project: str = PROJECT) -> Path:
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(source)
    (folder / "pyproject.toml").write_text(project + f'\n[tool.setuptools]\npackages = ["{module}"]\n')
    return folder


def built(folder: Path, source: str = NETWORK, module: str = "flat_net", needs: str = "") -> str:
    """Write the package as a wheel, which saves building it, and return its name."""
    requirement = f"Requires-Dist: {needs}\n" if needs else ""
    metadata = f"Metadata-Version: 2.1\nName: flat-net\nVersion: 1.0\n{requirement}"
    return write_wheel(folder, "flat-net", {module: source}, {}, **{"flat_net-1.0.dist-info/METADATA": metadata}).name


def run(program: Program, folder: Path, architecture: str, plugin: str | Path = "noop", **variables: str) -> Ended:
    (folder / "own.yaml").write_text(TASK.replace(ARCHITECTURE, architecture).replace("models: 4", "models: 2"))
    variables = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", **variables}
    return program(
        "run", "--plugin", plugin, "--task", "own.yaml", "--runner", "process", "--time-limit", "60", "--cpus", "1",
        "--evaluator", "accuracy", "--output", "r", **variables,
    )  # fmt: skip


def done(ended: Ended, folder: Path) -> dict[str, object]:
    assert ended.code == 0, ended.err
    report = report_of(folder / "r")
    assert [model["status"] for model in report["models"]] == ["ok", "ok"]
    found: dict[str, object] = report["architecture"]
    return found


def test_a_wheel_with_a_dependency_is_run(program: Program, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    write_wheel(links, "width-helper", {"width_helper": "WIDTH = 4\n"}, {})
    wheel = built(
        tmp_path,
        "from width_helper import WIDTH\n" + NETWORK.replace("width=4", "width=WIDTH"),
        needs="width-helper>=1",
    )
    architecture = f'{{package: ./{wheel}, factory: "flat_net:net"}}'

    ended = run(program, tmp_path, architecture, make_wheel(tmp_path, REINITIALISE), PIP_FIND_LINKS=str(links))

    assert done(ended, tmp_path) == {"name": "flat_net:net", "options": {}, "package": "flat-net 1.0", "init": []}


def test_a_version_from_an_index_is_run_whatever_version_is_on_the_path(program: Program, tmp_path: Path) -> None:
    links, other = tmp_path / "links", tmp_path / "other"
    links.mkdir()
    other.mkdir()
    write_wheel(links, "flat-net", {"flat_net": NETWORK}, {})
    write_wheel(other, "flat-net", {"flat_net": "raise RuntimeError('the other version')\n"}, {})
    shutil.unpack_archive(str(next(other.glob("*.whl"))), other, "zip")

    ended = run(
        program,
        tmp_path,
        '{package: "flat-net==1.0", factory: "flat_net:net"}',
        PIP_FIND_LINKS=str(links),
        PYTHONPATH=str(other),
    )

    assert done(ended, tmp_path)["package"] == "flat-net 1.0"


def keys(folder: Path) -> object:
    return json.loads((folder / "r" / "report.json").read_text())["cache_keys"]


def test_reference_models_depend_on_a_packages_content_and_not_on_its_place(program: Program, tmp_path: Path) -> None:
    found = []
    for name, source in {"one": NETWORK, "two": NETWORK, "changed": NETWORK + "# changed\n"}.items():
        folder = tmp_path / name
        write_package(folder / f"package-{name}", source)
        architecture = f'{{package: ../{name}/package-{name}, factory: "flat_net:net"}}'
        ended = run(Program(program.environment, folder), folder, architecture)
        done(ended, folder)
        found.append((keys(folder), "training reference models" in ended.err))

    assert found[0] == (found[0][0], True)
    assert found[1] == (found[0][0], False)
    assert (found[2][0] != found[0][0], found[2][1]) == (True, True)


def test_models_begin_with_the_files_in_turn_here_and_in_the_guest(program: Program, tmp_path: Path) -> None:
    write_package(tmp_path / "package")
    for number in range(2):
        save_file({"1.bias": torch.full((4,), float(number))}, tmp_path / f"{number}.safetensors")
    unlearner = REINITIALISE.replace(
        "    model.load", "    assert set(context.new_model()[1].bias.tolist()) in ({0.0}, {1.0})\n    model.load"
    )
    files = '[0.safetensors, 1.safetensors], init_except: ["1.weight", "3."]'
    architecture = f'{{package: ./package, factory: "flat_net:net", init: {files}}}'

    ended = run(program, tmp_path, architecture, make_wheel(tmp_path, unlearner))

    assert len(done(ended, tmp_path)["init"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["Tied", "Frozen", "Branching", "Counting", "Constants", "AttentionDropout"])
def test_an_unusual_network_is_trained_unlearned_and_judged(program: Program, tmp_path: Path, kind: str) -> None:
    source = Path(networks.__file__).read_text().replace("N_CLASSES = 3", "N_CLASSES = 10")
    wheel = built(tmp_path, source.replace("N_INPUTS = 36", "N_INPUTS = 3072") + FOR_FACES)
    architecture = f'{{package: ./{wheel}, factory: "flat_net:network", options: {{kind: {kind}}}}}'

    done(run(program, tmp_path, architecture, "finetune"), tmp_path)


def test_why_models_are_trained_one_after_another_is_told_once(program: Program, tmp_path: Path) -> None:
    wheel = built(tmp_path, NETWORK.replace("nn.ReLU()", "nn.ReLU(), nn.Dropout(0.1)"))

    ended = run(program, tmp_path, f'{{package: ./{wheel}, factory: "flat_net:net"}}')

    done(ended, tmp_path)
    said = " ".join(ended.err.split())
    assert said.count("The models of flat_net:net are trained one after another: it draws random numbers") == 1


def test_a_changed_package_cannot_be_resumed(program: Program, tmp_path: Path) -> None:
    write_package(tmp_path / "package")
    architecture = '{package: ./package, factory: "flat_net:net"}'
    killed = make_wheel(
        tmp_path, REINITIALISE.replace("    model.load", "    import os; os.kill(os.getppid(), 9)\n    model.load")
    )
    run(program, tmp_path, architecture, killed)
    (tmp_path / "package" / "flat_net" / "__init__.py").write_text(NETWORK + "# changed\n")
    resumed = program("resume", "r", PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0")

    assert "cannot be resumed because these inputs changed: network" in " ".join(resumed.err.split()), resumed.err


def bare(folder: Path) -> None:
    (folder / "package").mkdir()


def good(folder: Path) -> None:
    write_package(folder / "package")


def ready(folder: Path) -> None:
    built(folder)


def clash(folder: Path) -> None:
    built(folder, module="yaml")


def standard(folder: Path) -> None:
    built(folder, module="json")


def unbuildable(folder: Path) -> None:
    write_package(folder / "package", project=PROJECT + 'oddity = "1"\n')


def broken(folder: Path) -> None:
    built(folder, "import no_such_thing\n")


def demanding(folder: Path) -> None:
    built(folder, needs="torch<1")


def dependent(folder: Path) -> None:
    built(folder, needs="no-such-thing-at-all")


def damaged(folder: Path) -> None:
    (folder / "flat_net-1.0-py3-none-any.whl").write_text("no archive")


def weights(folder: Path) -> None:
    ready(folder)
    (folder / "text.safetensors").write_text("no tensors")
    save_file({"3.weight": torch.zeros(7, 4), "3.bias": torch.zeros(10)}, folder / "head.safetensors")


PACKAGE = '{package: ./package, factory: "flat_net:net"}'
WHEEL = '{package: ./flat_net-1.0-py3-none-any.whl, factory: "flat_net:net"}'
WEIGHTS = '{{package: ./flat_net-1.0-py3-none-any.whl, factory: "flat_net:net", init: {}}}'
LINE = "line 7: architecture."


@pytest.mark.parametrize(
    ("made", "architecture", "said"),
    [
        (good, '{package: ./pakage, factory: "flat_net:net"}', [LINE + "package: there is no folder", "did you mean 'package'?"]),
        (bare, PACKAGE, [LINE + "package:", "it has no pyproject.toml"]),
        (good, "{package: ./package}", [LINE + "package:", "package needs factory"]),
        (good, '{factory: "flat_net:net"}', [LINE + "factory:", "factory needs package"]),
        (good, "{package: ./package, factory: net}", [LINE + 'factory:', 'must be "module:function"']),
        (ready, WHEEL.replace("flat_net:net", "flat_nett:net"), ["has no module 'flat_nett'", "did you mean 'flat_net'?"]),
        (ready, WHEEL.replace("flat_net:net", "flat_net:nett"), ["has no attribute 'nett'; did you mean 'net'?"]),
        (ready, WHEEL.replace("}", ", options: {widht: 3}}"), ["'widht'; did you mean 'width'?"]),
        (clash, WHEEL.replace("flat_net:net", "yaml:net"), ["has a module 'yaml', which pyyaml also has. Rename the module"]),
        (standard, WHEEL.replace("flat_net:net", "json:net"), ["module 'json', which Python's standard library also has"]),
        (unbuildable, PACKAGE, ["the architecture's package ./package: building a wheel", "failed"]),
        (broken, WHEEL, ["cannot be imported: No module named 'no_such_thing'", "the dependencies that the package declares"]),
        (demanding, WHEEL, ["flat-net 1.0 needs torch<1"]),
        (dependent, WHEEL, ["Dependencies of flat-net 1.0 are not available", "no-such-thing-at-all"]),
        (damaged, WHEEL, ["cannot be read as a wheel"]),
        (good, '{package: "flat-net>=1", factory: "flat_net:net"}', [LINE + "package:", "as in flat-net==1.0"]),
        (good, '{package: "flat-net==9.9", factory: "flat_net:net"}', ["package flat-net==9.9", "No matching"]),
        (weights, WEIGHTS.format("haed.safetensors"), [LINE + "init: there is no file", "did you mean 'head.safetensors'?"]),
        (weights, WEIGHTS.format("text.safetensors"), [LINE + "init:", "cannot be read as safetensors"]),
        (weights, WEIGHTS.format("weights.pt"), [LINE + "init:", "must end in .safetensors"]),
        (
            weights,
            WEIGHTS.format("head.safetensors"),
            ["'1.weight' of the network is not in the file", "'3.weight' has shape (7, 4) in the file", "init_except: [3.]"],
        ),
        (good, '{package: ./package, factory: "flat_net:net", init_except: ["3."]}', [LINE + "init_except:", "needs init"]),
        (good, '{package: ./package, factory: "__main__:net"}', [LINE + "factory:", "a module __main__ of its own"]),
        (weights, '{package: ./head.safetensors, factory: "flat_net:net"}', [LINE + "package: there is no folder", "but a file"]),
        (good, "{name: mlp, package: ./package}", [LINE + "name:", "name cannot stand beside package"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_package_is_told_before_training(
    program: Program, tmp_path: Path, made: Callable[[Path], None], architecture: str, said: list[str]
) -> None:
    made(tmp_path)
    ended = run(program, tmp_path, architecture)

    shown = " ".join(ended.err.split())
    assert ended.code == 21, ended.err
    assert [text for text in said if text not in shown] == [], ended.err
    assert "training reference models" not in ended.err
    assert not (tmp_path / "r" / "report.json").exists()


def stand_in(folder: Path, source: str) -> dict[str, str]:
    """Install a module named as torchvision, of which no part is run but its import and list of names."""
    place = folder / "libraries"
    place.mkdir()
    shutil.unpack_archive(str(write_wheel(place, "torchvision", {"torchvision": source}, {})), place, "zip")
    info = place / "torchvision-1.0.dist-info"
    files = ("torchvision.py", *(f"{info.name}/{file.name}" for file in info.iterdir()))
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return {"PYTHONPATH": str(place)}


def test_a_library_that_is_not_installed_is_named_with_its_extra(program: Program, tmp_path: Path) -> None:
    ended = run(program, tmp_path, '{name: "timm:resnet18"}')

    assert (ended.code, "pip install 'unlearning-harness[timm]'" in " ".join(ended.err.split())) == (15, True), (
        ended.err
    )


def test_a_library_that_cannot_be_imported_beside_this_torch_says_what_to_install(
    program: Program, tmp_path: Path
) -> None:
    variables = stand_in(tmp_path, "raise RuntimeError('operator torchvision::nms does not exist')\n")
    ended = run(program, tmp_path, '{name: "torchvision:resnet18"}', **variables)

    shown = " ".join(ended.err.split())
    assert (ended.code, "torchvision cannot be imported beside torch" in shown) == (21, True), ended.err
    assert "operator torchvision::nms does not exist" in shown


def test_a_misspelled_network_of_a_library_is_offered_its_near_match(program: Program, tmp_path: Path) -> None:
    source = "import sys\nmodels = sys.modules['torchvision.models'] = sys.modules[__name__]\n"
    source += "def list_models(module): return ['resnet18']\n"
    ended = run(program, tmp_path, '{name: "torchvision:resnet81"}', **stand_in(tmp_path, source))

    shown = " ".join(ended.err.split())
    assert (ended.code, "torchvision has no network 'resnet81'; did you mean 'resnet18'?" in shown) == (21, True), (
        ended.err
    )
