"""Tensors in safetensors files, read by mapping them: processes share their pages.

The format: eight bytes give the length of a header in JSON, which gives each tensor's type, shape
and place in what follows.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.errors import ModelError

_HEADER_BYTES: Final = 100_000_000
"""The longest header that the format allows."""

METADATA: Final = "__metadata__"
"""The key of a header that names no tensor."""

_TYPES: Final[Mapping[str, str]] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "|i1", "U8": "|u1",
}  # fmt: skip
"""NumPy's names of the types; it has none for bfloat16, which is widened from its upper half."""


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file by name, read-only; raises ModelError for one that is not sound."""
    try:
        with path.open("rb") as file:
            return _read(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a sound safetensors file: {error}") from error


def _read(mapped: mmap.mmap) -> dict[str, NDArray[Any]]:
    length = int.from_bytes(mapped[:8], "little")
    if length > min(_HEADER_BYTES, len(mapped) - 8):
        raise ValueError("its header is longer than it is")
    header = json.loads(mapped[8 : 8 + length])
    body = memoryview(mapped)[8 + length :]
    return {name: _tensor(body, entry) for name, entry in header.items() if name != METADATA}


def write_tensors(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write float32 tensors to a new file."""
    header: dict[str, Any] = {METADATA: {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        shape = list(tensor.shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # the body begins at a multiple of eight
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, "<f4").tobytes())


def _tensor(body: memoryview, entry: Mapping[str, Any]) -> NDArray[Any]:
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(body):
        raise ValueError("a tensor lies outside of it")
    if entry["dtype"] == "BF16":
        halves = np.frombuffer(body[start:end], "<u2").astype(np.uint32) << 16
        return halves.view(np.float32).reshape(entry["shape"])
    return np.frombuffer(body[start:end], _TYPES[entry["dtype"]]).reshape(entry["shape"])
