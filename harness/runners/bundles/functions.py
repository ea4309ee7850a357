"""Choice of the function to run in a script, and of its adapter, from its syntax tree; nothing is imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import decode_source

from harness.choices import Adapter
from harness.core.reading import foreign
from harness.errors import PluginNotFoundError, PluginPackagingError
from harness.plugins.spec import FUNCTION

HOOK_ARGUMENTS = ("model", "retain", "forget", "validation", "context")
POSITIONS = HOOK_ARGUMENTS[:4]
PREFERRED = ("unlearn", "unlearning")
"""The name of our hook, and that of the function of the NeurIPS 2023 challenge."""
KIT_NAMES = re.compile(
    r"(?P<model>net|model)|(?P<context>context)|"
    r"(?:(?P<retain>retain)|(?P<forget>forget)|(?P<validation>val|valid|validation))(?:_?(?:data_?)?loader|_dl)?"
)
SPLIT_ATTRIBUTES = frozenset({"images", "labels", "loader", "n_classes", "normalised"})
"""Attributes of our splits that loaders lack."""
CHALLENGE_KEYS = frozenset({"image", "age_group", "image_id"})
FORMS: Mapping[Adapter, str] = {
    "hook": "the splits themselves",
    "kit": "loaders of batches (images, labels)",
    "challenge": "loaders of batches {'image', 'age_group', 'image_id'}",
}
"""What a function gets from each adapter."""
Functions = Mapping[str, ast.FunctionDef]


@dataclass(frozen=True)
class ScriptFunction:
    """A function of a script and how to call it.

    Attributes:
        name: name of the function.
        line: line of its definition.
        adapter: adapter that calls it.
        roles: its parameters -> arguments of the hook.
    """

    name: str
    line: int
    adapter: Adapter
    roles: Mapping[str, str]


def choose_function(code: bytes, path: str, wanted: str | None, adapter: Adapter) -> ScriptFunction:
    """Return the function to run.

    Args:
        code: source code of the script.
        path: path of the script, for messages.
        wanted: name of the function; None for ``unlearn`` or ``unlearning``, or else the only one that takes model and data.
        adapter: adapter to use; "auto" to choose it by the signature.

    Raises:
        PluginNotFoundError: there is no function of that name.
        PluginPackagingError: the code cannot be parsed, does not determine one function, or no adapter can call it.
    """
    functions = _functions(code, path)
    listed = ", ".join(_shown(node) for node in functions.values()) or "none"
    if wanted is not None:
        if wanted not in functions:
            raise PluginNotFoundError(f"{path} has no function {wanted!r}. Its functions: {listed}.")
        return _called(functions[wanted], functions, path, adapter)
    preferred = [functions[name] for name in PREFERRED if name in functions][:1]
    found = preferred or [node for node in functions.values() if _takes_model_and_data(node)]
    if len(found) == 1:
        return _called(found[0], functions, path, adapter)
    if found:
        names = ", ".join(map(_shown, found))
        raise PluginPackagingError(
            f"{path} has several functions that may unlearn: {names}. Choose one with --plugin {path}{FUNCTION}{found[0].name}"
        )
    raise PluginPackagingError(
        f"{path} has no function that takes a model and data. Its functions: {listed}. Name the parameters "
        "(net, retain, forget, validation), or choose with --plugin FILE:FUNCTION and --adapter."
    )


def _functions(code: bytes, path: str) -> Functions:
    """Return the functions defined at the top level; of a repeated name the last one, as Python does."""
    with foreign(f"{path} cannot be parsed", PluginPackagingError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = ast.parse(decode_source(code), path)
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def _called(node: ast.FunctionDef, functions: Functions, path: str, adapter: Adapter) -> ScriptFunction:
    chosen = _adapter(node, functions) if adapter == "auto" else adapter
    roles = _roles(node, chosen)
    required = _parameters(node, required=True)
    if adapter not in ("auto", "hook") and not set(required) <= set(roles):
        roles = dict(zip(required, POSITIONS, strict=False))  # the user vouches for the form: by position
    unknown = [name for name in required if name not in roles]
    if unknown or node.args.posonlyargs or not roles:
        raise PluginPackagingError(
            f"{path}: no adapter can call {_shown(node)}: it knows no value for {', '.join(unknown) or 'its parameters'}. "
            f"Name the parameters as the hook does ({', '.join(HOOK_ARGUMENTS)}) or as the starting kit does "
            "(net, retain, forget, validation), and give others a default; or pass --adapter kit or --adapter challenge to "
            "fill them by position."
        )
    return ScriptFunction(node.name, node.lineno, chosen, roles)


def _takes_model_and_data(node: ast.FunctionDef) -> bool:
    required = set(_parameters(node, required=True))
    for roles in (_roles(node, "hook"), _roles(node, "kit")):
        taken = set(roles.values())
        if required <= set(roles) and "model" in taken and taken & {"retain", "forget"}:
            return True
    return False


def _adapter(node: ast.FunctionDef, functions: Functions) -> Adapter:
    """Return the adapter that the names and the body of a function suggest.

    Code of the starting kit may call its network ``model``, so that all names are the hook's too. Then it is the hook if it
    takes the context or reads an attribute of our splits; else its own name decides.
    """
    names = _parameters(node)
    keys = CHALLENGE_KEYS & {key for reached in _reached(node, functions) for key in _string_subscripts(reached)}
    if set(_parameters(node, required=True)) <= set(HOOK_ARGUMENTS):
        ours = "context" in names or SPLIT_ATTRIBUTES & _attributes_of_splits(node)
        if ours or not (keys or node.name == "unlearning"):
            return "hook"
    return "challenge" if keys else "kit"


def _reached(node: ast.FunctionDef, functions: Functions) -> list[ast.FunctionDef]:
    """Return a function and the functions of the script that it names, directly or through others."""
    reached = [node]
    for caller in reached:  # grows meanwhile
        names = {one.id for one in ast.walk(caller) if isinstance(one, ast.Name)}
        reached += [found for name, found in functions.items() if name in names and found not in reached]
    return reached


def _string_subscripts(node: ast.AST) -> set[str]:
    """Return the keys of all ``...["key"]`` in a piece of code."""
    slices = (one.slice for one in ast.walk(node) if isinstance(one, ast.Subscript))
    return {one.value for one in slices if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _attributes_of_splits(node: ast.FunctionDef) -> set[str]:
    """Return the attributes that a function reads from ``retain``, ``forget`` and ``validation``."""
    read = (one for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name))
    return {one.attr for one in read if isinstance(one.value, ast.Name) and one.value.id in POSITIONS[1:]}


def _roles(node: ast.FunctionDef, adapter: Adapter) -> dict[str, str]:
    """Return the parameters that the adapter knows by name, and the hook's arguments that they get."""
    if adapter == "hook":
        return {name: name for name in _parameters(node) if name in HOOK_ARGUMENTS}
    found = {name: KIT_NAMES.fullmatch(name) for name in _parameters(node)}
    return {name: str(match.lastgroup) for name, match in found.items() if match is not None}


def _parameters(node: ast.FunctionDef, *, required: bool = False) -> list[str]:
    """Return the names of a function's parameters, or of those without a default."""
    positional = [*node.args.posonlyargs, *node.args.args]
    bare = len(positional) - len(node.args.defaults)
    keyword = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [
        *(one.arg for one in (positional[:bare] if required else positional)),
        *(one.arg for one, default in keyword if default is None or not required),
    ]


def _shown(node: ast.FunctionDef) -> str:
    return f"{node.name}({', '.join(_parameters(node))}) in line {node.lineno}"
