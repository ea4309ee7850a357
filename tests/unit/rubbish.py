"""Rubbish for readers: bytes without sense, and sound input with a fault in it. The same for the same seed."""

from __future__ import annotations

import json
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**4000, 1e308, float("inf"), float("nan"), "", "x", "\ud800", "\x00\x1b[2J", "9" * 5000),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": 1}}, "\u0663", "../../x", "1.0.0.0"),
)
TOKENS = tuple(
    token.encode("utf-8", errors="surrogatepass")
    for token in (
        *(
            "[",
            "{",
            "]",
            "}",
            '"',
            ":",
            ",",
            "\\",
            "\\ud800",
            "\\UFFFFFFFF",
            "&a ",
            "*a",
            "!!python/object ",
            "<<: ",
            "- ",
            "? ",
        ),
        *(
            "\t",
            "\n",
            "\r",
            "\x00",
            "\ufeff",
            "\x85",
            "\u2028",
            "1e999",
            "-0",
            ".nan",
            "0x",
            "NaN",
            "Infinity",
            "%",
            "---",
            "|",
            ">",
        ),
        *(
            "=",
            "[x]\n",
            "Name: ",
            "Version: ",
            "Requires-Dist: x; python_version",
            "=" * 70,
            "[" * 3000,
            "9" * 5000,
            "\ud800",
        ),
    )
)


def rubbish(seed: int, sound: bytes) -> bytes:
    """Bytes that a reader of input like ``sound`` may meet."""
    draw = random.Random(seed)
    kind = draw.randrange(8)
    if kind == 0:
        return draw.randbytes(draw.randrange(200))
    if kind == 1:
        return b"".join(draw.choice(TOKENS) for _ in range(draw.randrange(1, 30)))
    if kind < 5 and (changed := _other_json(draw, sound)) is not None:
        return changed
    return _scratched(draw, sound)


def odd_json(draw: random.Random, value: Any) -> Any:
    """Return a copy of JSON values with an odd value somewhere, or something omitted."""
    if draw.random() < 0.15 or not isinstance(value, (dict, list)) or not value:
        return draw.choice(ODD_VALUES)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key = draw.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    if draw.random() < 0.1:
        del copy[key]
    else:
        copy[key] = odd_json(draw, copy[key])
    return copy


def _other_json(draw: random.Random, sound: bytes) -> bytes | None:
    try:
        value = json.loads(sound)
    except ValueError:
        return None
    return json.dumps(odd_json(draw, value)).encode()


def _scratched(draw: random.Random, sound: bytes) -> bytes:
    data = bytearray(sound)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            data[place : place + 1] = draw.randbytes(1)
        elif kind == 1:
            data[place:place] = draw.choice(TOKENS)
        elif kind == 2:
            del data[place : place + draw.randrange(1, 40)]
        else:
            data[place:] = b""
    return bytes(data)
