"""All attacks, read from the sources of the hostile plugins, which the host never imports; and their execution."""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Finding, Guard
from harness.doctor.attacks.environment import AttackEnvironment
from harness.doctor.attacks.session import AttackSession, Isolation
from harness.doctor.attacks.wheel import sources

MARK, MAKER = "hostile", "attack"
"""The name of a module's mark, and of the function that makes it; see ``sandbox/attacks/_marks.py``."""

ISOLATIONS: tuple[Isolation, ...] = ("run", "model")


def read_attacks(module: str, source: bytes) -> Iterator[Attack]:
    """Yield the attacks of a module with a mark: its public functions, and the hooks with which the mark is called."""
    common: Mapping[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and (call := _call(node.value, MAKER)):
            common = _facts(call.args, call.keywords)
        elif isinstance(node, ast.Assign) and (call := _call(node.value, MARK)):
            _, text, *statuses = call.args
            more = _facts(statuses, call.keywords)
            yield _attack(module, ast.unparse(node.targets[0]), ast.literal_eval(text), {**common, **more})
        elif isinstance(node, ast.FunctionDef) and common and not node.name.startswith("_"):
            own = next((call for mark in node.decorator_list if (call := _call(mark, MARK))), None)
            more = _facts(own.args, own.keywords) if own else {}
            yield _attack(module, node.name, ast.get_docstring(node) or "", {**common, **more})


def _call(node: ast.expr, name: str) -> ast.Call | None:
    """Return the node if it is a call of the function ``name``."""
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name else None


def _facts(statuses: Sequence[ast.expr], words: Sequence[ast.keyword]) -> dict[str, Any]:
    """Return the attributes in a mark's arguments."""
    facts = {word.arg: ast.literal_eval(word.value) for word in words if word.arg}
    if statuses:
        facts["expected"] = tuple(Status(ast.literal_eval(status)) for status in statuses)
    if "guard" in facts:
        facts["guard"] = Guard(facts["guard"])
    return facts


def _attack(module: str, name: str, text: str, facts: Mapping[str, Any]) -> Attack:
    return Attack(name, f"{module}:{name}", tries=text.partition("\n")[0].rstrip("."), **facts)


ATTACKS: tuple[Attack, ...] = tuple(
    attack for file, source in sorted(sources().items()) for attack in read_attacks(file.removesuffix(".py"), source)
)


def run_all(environment: AttackEnvironment, attacks: Sequence[Attack]) -> Generator[Finding, None, None]:
    """Run the attacks one by one, each under the weakest isolation that defeats it, in as few containers as possible."""
    for isolation in ISOLATIONS:
        if chosen := [attack for attack in attacks if attack.defeated_by == isolation]:
            with AttackSession(environment, isolation) as session:
                yield from map(session.run, chosen)
