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


def nothing_sent():
    """Send an empty result."""
    _inside.send(b"")


def pickle_sent(model):
    """Send the output of torch.save."""
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    _inside.send(stream.getvalue())


def old_pickle_sent():
    """Send a pickle that creates a file when it is loaded."""
    _inside.send(b"cos\nsystem\n(S'touch /tmp/unpickled-by-the-host'\ntR.")


def script_sent():
    """Send a text that is both an HTML page and a shell script."""
    _inside.send(b"#!/bin/sh\n<script>alert(1)</script>\n" * 10)


def long_header():
    """Send a header that claims 100 MB."""
    _inside.send(struct.pack("<Q", 100_000_000) + b"{}")


def longest_header():
    """Send a header that claims the maximum 64-bit length."""
    _inside.send(struct.pack("<Q", (1 << 64) - 1) + b"{}")


def all_header():
    """Send only a header, of the maximum length."""
    _inside.send(_document(b"{" + b" " * (_inside.largest() - 10) + b"}"))


def deep_header():
    """Send a header nested as deeply as its length allows."""
    _inside.send(_document(b'{"a":' * ((_inside.largest() - 100) // 5)))


def header_of_bytes():
    """Send a header that is not UTF-8."""
    _inside.send(_document(b"\xff\xfe\x00\x80" * 8))


def huge_shape(model):
    """Send a shape with an overflowing size."""
    header, data = _parts(model)
    first = min(name for name in header if name != "__metadata__")
    header[first]["shape"] = [1 << 32, 1 << 32, 1 << 32]
    _inside.send(_document(header, data))


def negative_offsets(model):
    """Send negative offsets."""
    header, data = _parts(model)
    first = min(name for name in header if name != "__metadata__")
    header[first]["data_offsets"] = [-8, 0]
    _inside.send(_document(header, data))


def overlapping_tensors(model):
    """Send overlapping tensors."""
    header, data = _parts(model)
    for entry in header.values():
        length = entry["data_offsets"][1] - entry["data_offsets"][0]
        entry["data_offsets"] = [0, length]
    _inside.send(_document(header, data))


def hole_between_tensors(model):
    """Send bytes that belong to no tensor."""
    header, data = _parts(model)
    for entry in header.values():
        entry["data_offsets"] = [offset + 8 for offset in entry["data_offsets"]]
    _inside.send(_document(header, bytes(8) + data))


def bytes_after_the_end(model):
    """Send bytes after the last tensor."""
    header, data = _parts(model)
    _inside.send(_document(header, data + b"PK\x03\x04 a second document"))


def truncated_document(model):
    """Send all but the last byte."""
    header, data = _parts(model)
    _inside.send(_document(header, data[:-1]))


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


def unknown_dtype(model):
    """Send an unknown dtype."""
    header, data = _parts(model)
    for entry in header.values():
        entry["dtype"] = "PICKLE"
    _inside.send(_document(header, data))


@hostile("output_too_large")
def unending_result():
    """Send more bytes than the guest accepts, as fast as possible."""
    chunk = bytes(1 << 20)
    for _ in range(1 << 10):
        _inside.write(_inside.ends().weights, chunk)
