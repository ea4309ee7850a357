"""The options that an unlearner declares, read from its wheel or script without building, fetching or importing anything."""

from __future__ import annotations

from harness.choices import Adapter
from harness.plugins.options import MAX_MODULE_BYTES, Declared, read_declaration
from harness.plugins.spec import PluginSpec
from harness.runners.bundles.resolving import ready_wheel
from harness.runners.bundles.script import read_script
from harness.runners.wheels.wheel import WheelFile


def ready_options(spec: PluginSpec, adapter: Adapter = "auto") -> Declared | None:
    """Return the declared options; None if there are none, or if the plugin must be built or fetched to know them.

    Raises:
        HarnessError: the plugin is missing, damaged or ambiguous, or its declaration is invalid.
    """
    if spec.kind == "script":
        script = read_script(spec, adapter)
        return read_declaration(script.code, script.file)
    ready = ready_wheel(spec)
    return None if ready is None else wheel_options(*ready)


def wheel_options(wheel: WheelFile, name: str) -> Declared | None:
    """Return the options declared in the module of an entry point; None if it declares none.

    Raises:
        PluginPackagingError: the wheel is damaged, or the declaration is invalid.
    """
    module = module_code(wheel, name)
    return None if module is None else read_declaration(module[1], f"{wheel.name} {wheel.version}, {module[0]}")


def module_code(wheel: WheelFile, name: str) -> tuple[str, bytes] | None:
    """Return file name and source code of an entry point's module; None if the wheel has no source of it.

    Raises:
        PluginPackagingError: the wheel is damaged.
    """
    places = module_files(wheel.entry_points[name])
    for content in wheel.contents():
        if content.name in places and content.size <= MAX_MODULE_BYTES:
            return content.name, content.file.read()
    return None


def module_files(value: str) -> tuple[str, str]:
    """Return the files that may hold the module of an entry point's value, relative to the root of its distribution."""
    stem = value.partition(":")[0].strip().replace(".", "/")
    return f"{stem}.py", f"{stem}/__init__.py"
