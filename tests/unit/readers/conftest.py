"""Files to read, made in a temporary folder, and what reading them gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.documents import Document
from indexer.readers import USUAL, Fields, Read, Rejection, read_paths


@dataclass(frozen=True)
class Gathered:
    """What reading gave, sorted into documents and rejections."""

    documents: list[Document]
    rejections: list[Rejection]
    reads: list[Read]

    @property
    def document(self) -> Document:
        """The only document; there must be no rejection."""
        assert not self.rejections
        assert len(self.documents) == 1
        return self.documents[0]

    @property
    def rejection(self) -> Rejection:
        """The only rejection; there must be no document."""
        assert not self.documents
        assert len(self.rejections) == 1
        return self.rejections[0]


def gather(reads: list[Read]) -> Gathered:
    """What was read, sorted."""
    items = [read.item for read in reads]
    return Gathered(
        [item for item in items if isinstance(item, Document)],
        [item for item in items if isinstance(item, Rejection)],
        reads,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Callable[..., Gathered]:
    """Write a file of this name and content, and read it."""

    def write_and_read(name: str, content: bytes | str, fields: Fields = USUAL) -> Gathered:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return gather(list(read_paths([name], fields)))

    return write_and_read


@pytest.fixture
def read_all() -> Callable[..., Gathered]:
    """Read paths that are there."""

    def read_them(*paths: str, fields: Fields = USUAL) -> Gathered:
        return gather(list(read_paths(paths, fields)))

    return read_them
