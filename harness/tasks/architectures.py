"""The section ``architecture`` of a task file, and what can be said of its files without importing or building anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BeforeValidator, Field, JsonValue, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from harness.core.bounds import NumberError, Whole
from harness.core.keys import shown
from harness.core.reading import reason
from harness.tasks.yaml.fields import Section
from harness.tasks.yaml.wording import listed, near_match
from reference_models.networks.recipe import LIBRARIES, ArchitectureSpec

MOST_LAYERS = 100
MOST_COMPARED = 16
SIZE = Whole(1, 65_536)
# Repeated here so that task files are validated without importing torch; a test compares it with reference_models.
ARCHITECTURES = {
    "patch-cnn": ("patches", "width", "hidden", "norm"),
    "small-cnn": ("width", "norm"),
    "resnet9": ("width",),
    "resnet18": ("width",),
    "mlp": ("hidden",),
    "embedding-bag": ("width", "hidden"),
}
LISTS = ("hidden", "patches")
KNOWN = (*ARCHITECTURES, "package.module:factory", *(f"{name}:NAME" for name in LIBRARIES))
FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096)]
WHEEL, WEIGHTS = ".whl", ".safetensors"


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class ArchitectureSection(Section):
    """The network: a registered one, one of a library, or one of the author's own."""

    name: str | None = None
    package: Text | None = None
    factory: str | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    init: Annotated[Annotated[tuple[Text, ...], Field(min_length=1)] | None, BeforeValidator(_listed)] = None
    init_except: tuple[Text, ...] | None = None
    layers: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_COMPARED)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ArchitectureSection:
        _check_names(self)
        if self.init_except is not None and self.init is None:
            raise ValueError("init_except needs init, the file of initial weights")
        if twice := [name for name in self.layers or () if self.layers and self.layers.count(name) > 1]:
            raise ValueError(f"layers names {twice[0]!r} twice")
        if ":" not in self.network:
            _check_known(self.network, self.options)
        return self

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = {key: value for key, value in handler(self).items() if value is not None}
        return given if self.package is not None else {"name": self.network, **given}

    @property
    def network(self) -> str:
        """Return the name of the network's factory."""
        return self.name or self.factory or ArchitectureSpec.name

    def spec(self) -> ArchitectureSpec:
        """Return the architecture as a task has it."""
        return ArchitectureSpec(self.network, self.options, self.package, self.init or (), self.init_except or ())


def _check_names(found: ArchitectureSection) -> None:
    if found.name is not None and (found.package is not None or found.factory is not None):
        raise ValueError("name cannot stand beside package and factory; remove one or the other")
    if found.name is not None:
        library, colon, _ = found.name.partition(":")
        if colon and library not in LIBRARIES and not FACTORY.fullmatch(found.name):
            raise ValueError(f"name {found.name!r} must be like package.module:factory")
        _check_module("name", found.name)
        return
    if found.package is None and found.factory is None:
        return
    if found.package is None:
        raise ValueError(
            "factory needs package: a folder, a wheel, or NAME==VERSION. For code that is installed, use name"
        )
    if found.factory is None:
        raise ValueError('package needs factory: "module:function", the function that returns the network')
    if not FACTORY.fullmatch(found.factory):
        raise ValueError(f'factory {found.factory!r} must be "module:function", as in my_package.networks:my_network')
    _check_module("factory", found.factory)


def _check_module(key: str, name: str) -> None:
    if name.partition(":")[0].partition(".")[0] == "__main__":
        raise ValueError(
            f"{key} {name!r}: every Python program has a module __main__ of its own; move the network into a module"
        )


def _check_known(name: str, options: dict[str, JsonValue]) -> None:
    if name not in ARCHITECTURES:
        raise ValueError(f"name {name!r} is unknown{near_match(name, KNOWN)}; allowed: {listed(KNOWN)}")
    allowed = ARCHITECTURES[name]
    for option, given in options.items():
        if option not in allowed:
            raise ValueError(
                f"options of {name} have no {option!r}{near_match(option, allowed)}; allowed: {listed(allowed)}"
            )
        _check_option(option, given)


def _check_option(option: str, given: object) -> None:
    sizes = given if option in LISTS else [given] if option == "width" else []
    if not isinstance(sizes, (list, tuple)) or len(sizes) > MOST_LAYERS:
        raise ValueError(f"options.{option} must be a list of at most {MOST_LAYERS} whole numbers, as in [128, 128]")
    for size in sizes:
        try:
            SIZE.check(size)
        except NumberError as error:
            raise ValueError(f"options.{option} {error}") from error


def requirement_of(package: str) -> Requirement | None:
    """Return a package that is given as a requirement; None for a path or a wheel."""
    if package.endswith(WHEEL) or "/" in package or package.startswith("."):
        return None
    try:
        requirement = Requirement(package)
    except InvalidRequirement:
        return None
    return requirement if requirement.specifier else None


def located(text: str, base_dir: Path) -> Path:
    """Return a path in a task file, resolved against the file's folder; ``~`` is the home directory.

    Raises:
        ValueError: no file can have this path, or there is no such user; the message says why.
    """
    try:
        found = base_dir / Path(text).expanduser()
        found.stat()
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"the path {shown(text)} cannot be used: {reason(error)}") from error
    return found


def file_faults(section: ArchitectureSection, base_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield (key, fault) for each file that the section names and that cannot be used."""
    if section.package is not None:
        fault = _fault(_package_fault, section.package, base_dir)
        if fault:
            yield "package", fault
    for text in section.init or ():
        fault = _fault(_weights_fault, text, base_dir)
        if fault:
            yield "init", fault


def _fault(check: Callable[[str, Path], str], text: str, base_dir: Path) -> str:
    """Return the fault of a path that ``check`` finds; empty if there is none."""
    try:
        return check(text, base_dir)
    except ValueError as error:  # of located
        return str(error)


def _package_fault(package: str, base_dir: Path) -> str:
    requirement = requirement_of(package)
    if requirement is not None:
        exact = [one for one in requirement.specifier if one.operator == "==" and not one.version.endswith(".*")]
        if len(exact) == len(requirement.specifier) == 1 and requirement.url is None and requirement.marker is None:
            return ""
        return f"found {package!r}; must name one version, as in {requirement.name}==1.0"
    path = located(package, base_dir)
    if package.endswith(WHEEL):
        return "" if path.is_file() else f"there is no wheel at {path}{_sibling(path)}"
    if not path.is_dir():
        other = "; allowed: a folder with a pyproject.toml, a wheel (.whl), or NAME==VERSION"
        return f"there is no folder {path}{_sibling(path)}{other}"
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        return (
            f"{path} is not the source folder of a package: it has no pyproject.toml. Add one, or put its parent folder on "
            "PYTHONPATH and use name: package.module:factory"
        )
    return ""


def _weights_fault(text: str, base_dir: Path) -> str:
    from safetensors import safe_open

    path = located(text, base_dir)
    if path.suffix != WEIGHTS:
        return (
            f"{text!r} must end in {WEIGHTS}; convert a pickled state: "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), TARGET)"
        )
    if not path.is_file():
        return f"there is no file {path}{_sibling(path)}"
    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except Exception as error:  # the library raises its own kind for a damaged file
        return f"{path} cannot be read as safetensors: {reason(error)}"
    return ""


def _sibling(path: Path) -> str:
    """Return a hint at a file of a similar name in the same folder."""
    parent = path.parent
    if path.exists():
        return " but a file" if path.is_file() else " but a folder"
    try:
        return near_match(path.name, sorted(other.name for other in parent.iterdir()))
    except OSError:
        return ""
