"""Attacks that write invalid safetensors documents directly to the pipe to the guest."""

from __future__ import annotations

import io
import json
import struct

import safetensors.torch
import torch
from harness_attacks import _inside
from harness_attacks._marks import attack

hostile = attack("output_invalid", promise=4)


def _document(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def _parts(model):
    """Return the header and the data of the original's valid document."""
    raw = safetensors.torch.save(model.state_dict())
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def _sends(raw):
    """Return a hook that sends these bytes."""
    return lambda: _inside.send(raw)


def _edits(edit):
    """Return a hook that sends the original's document after ``edit`` of its header and its data."""

    def hook(model):
        _inside.send(_document(*edit(*_parts(model))))

    return hook


def _with(header, first=False, **change_of):
    """Return the header with entries changed, or with only the first one; each change is a function of the entry."""
    names = [min(header)] if first else list(header)
    changed = {name: {key: change(header[name]) for key, change in change_of.items()} for name in names}
    return {name: {**entry, **changed.get(name, {})} for name, entry in header.items()}


nothing_sent = hostile(_sends(b""), "Send an empty result.")
old_pickle_sent = hostile(
    _sends(b"cos\nsystem\n(S'touch /tmp/unpickled-by-the-host'\ntR."),
    "Send a pickle that creates a file when it is loaded.",
)
script_sent = hostile(
    _sends(b"#!/bin/sh\n<script>alert(1)</script>\n" * 10), "Send a text that is both an HTML page and a shell script."
)
long_header = hostile(_sends(struct.pack("<Q", 100_000_000) + b"{}"), "Send a header that claims 100 MB.")
longest_header = hostile(
    _sends(struct.pack("<Q", (1 << 64) - 1) + b"{}"), "Send a header that claims the maximum 64-bit length."
)
header_of_bytes = hostile(_sends(_document(b"\xff\xfe\x00\x80" * 8)), "Send a header that is not UTF-8.")
huge_shape = hostile(
    _edits(lambda header, data: (_with(header, first=True, shape=lambda _: [1 << 32, 1 << 32, 1 << 32]), data)),
    "Send a shape with an overflowing size.",
)
negative_offsets = hostile(
    _edits(lambda header, data: (_with(header, first=True, data_offsets=lambda _: [-8, 0]), data)),
    "Send negative offsets.",
)
overlapping_tensors = hostile(
    _edits(lambda header, data: (_with(header, data_offsets=lambda entry: [0, _length(entry)]), data)),
    "Send overlapping tensors.",
)
hole_between_tensors = hostile(
    _edits(lambda header, data: (_with(header, data_offsets=_later), bytes(8) + data)),
    "Send bytes that belong to no tensor.",
)
bytes_after_the_end = hostile(
    _edits(lambda header, data: (header, data + b"PK\x03\x04 a second document")), "Send bytes after the last tensor."
)
truncated_document = hostile(_edits(lambda header, data: (header, data[:-1])), "Send all but the last byte.")
unknown_dtype = hostile(
    _edits(lambda header, data: (_with(header, dtype=lambda _: "PICKLE"), data)), "Send an unknown dtype."
)


def _length(entry):
    return entry["data_offsets"][1] - entry["data_offsets"][0]


def _later(entry):
    return [offset + 8 for offset in entry["data_offsets"]]


def pickle_sent(model):
    """Send the output of torch.save."""
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    _inside.send(stream.getvalue())


def all_header():
    """Send only a header, of the maximum length."""
    _inside.send(_document(b"{" + b" " * (_inside.largest() - 10) + b"}"))


def deep_header():
    """Send a header nested as deeply as its length allows."""
    _inside.send(_document(b'{"a":' * ((_inside.largest() - 100) // 5)))


@hostile("ok")
def name_twice(model):
    """Send a header with every name twice, first with a wrong entry."""
    header, data = _parts(model)
    wrong = {name: {**entry, "dtype": "I8"} for name, entry in header.items()}
    both = json.dumps(wrong).encode()[:-1] + b"," + json.dumps(header).encode()[1:]
    _inside.send(_document(both, data))


def many_empty_tensors(model):
    """Send as many empty tensors as fit into the header."""
    header, data = _parts(model)
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    room = (_inside.largest() - len(data)) // 64 - len(header) * 2
    _inside.send(_document({**{f"{number:04d}": entry for number in range(room)}, **header}, data))


@hostile("output_too_large")
def unending_result():
    """Send more bytes than the guest accepts, as fast as possible."""
    chunk = bytes(1 << 20)
    for _ in range(1 << 10):
        _inside.write(_inside.ends().weights, chunk)
