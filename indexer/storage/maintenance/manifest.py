"""The manifest of a backup, its last member."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final, Self

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a backup."""

    format: int
    collection: str
    model: str
    documents: int
    chunks: int
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """A line of JSON, and a line with its SHA-256."""
        line = json.dumps(asdict(self), ensure_ascii=True).encode()
        return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The manifest from :meth:`encode`; else raises ValueError, TypeError or KeyError."""
        line, digest, rest = encoded.split(b"\n")
        if hashlib.sha256(line).hexdigest().encode() != digest or rest:
            raise ValueError("its checksum differs")
        fields = json.loads(line)
        fields["members"] = tuple(Member(**member) for member in fields["members"])
        return cls(**fields)
