"""Source code: a document for each function and class, and one for what stands outside of them.

The id is that of the file, ``#`` and the qualified name. The file is read in a process with limits,
see ``code_parts``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Final

from indexer.errors import Unreadable
from indexer.readers.decoding import decode
from indexer.readers.extracted import LIMITS, MAX_TEXT_BYTES, Extracted, read_extracted, require
from indexer.readers.isolation import run_isolated
from indexer.readers.languages import LANGUAGES
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

EXTRACTOR: Final = Path(__file__).with_name("code_parts.py")


def read_source_code(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The documents of the file."""
    require("tree_sitter", "code")
    named = PurePosixPath(source.name)
    suffix = (named.with_suffix("") if source.compressed else named).suffix.lower()
    decoded = decode(source.content(MAX_TEXT_BYTES))
    with TemporaryFile() as file:
        file.write(decoded.text.encode())
        file.flush()
        outcome = run_isolated(EXTRACTOR, file, LIMITS, language=LANGUAGES[suffix])
    for line in outcome.lines:
        found = Extracted(**{**line, "metadata": {**line["metadata"], **decoded.metadata}})
        yield from read_extracted(source, "code", found)
    if outcome.problem or not outcome.lines:
        raise Unreadable(outcome.problem or "no text in it")
