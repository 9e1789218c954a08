"""The sources of documents, their files and their claims, in the store; see indexer.origins."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from indexer.origins import Claim, FileRecord, SourceRecord

_BATCH: Final = 500
"""Values of a statement; SQLite takes more, but compiles it anew for each number of them."""

_GONE: Final = "f.name IN (SELECT value FROM json_each(:gone))"
_OBSOLETE: Final = f"f.source = :source AND ({_GONE} OR c.run < f.run)"
_CLAIM: Final = "f.name, c.id, c.content, c.run"

_READ_CLAIMS: Final = f"SELECT {_CLAIM} FROM source_files f JOIN claims c USING (file) WHERE"  # noqa: S608
_NOTE_CLAIM: Final = """
INSERT INTO claims(file, id, content, run) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET run = max(run, excluded.run)
"""
_NOTE_FILE: Final = """
INSERT INTO source_files(source, name, run, stamp) VALUES (?, ?, ?, ?)
ON CONFLICT(source, name) DO UPDATE SET run = excluded.run, stamp = excluded.stamp
"""
_FORGET: Final = f"""
DELETE FROM claims WHERE (file, id, content) IN (
    SELECT c.file, c.id, c.content FROM source_files f JOIN claims c USING (file)
    WHERE {_OBSOLETE})
"""  # noqa: S608 - constants
_ASTRAY: Final = """
SELECT DISTINCT f.name FROM source_files f JOIN claims c USING (file)
WHERE f.source = ? AND NOT EXISTS (
    SELECT 1 FROM documents d JOIN claims o ON o.id = d.id AND o.content = d.hash
    WHERE d.id = c.id)
"""
_SHARING: Final = f"""
WITH touched(file) AS (
    SELECT f.file FROM source_files f WHERE f.source = :source AND ({_GONE} OR f.run = :run)
    UNION SELECT c.file FROM source_files f JOIN claims c USING (file)
        WHERE f.source = :source AND c.run = :run)
SELECT DISTINCT a.name, b.name FROM touched t
    JOIN claims c USING (file) JOIN claims o ON o.id = c.id AND o.file != c.file
    JOIN source_files a ON a.file = c.file JOIN source_files b ON b.file = o.file
WHERE b.source = :source
"""  # noqa: S608 - constants


class OriginTables:
    """The origins in one transaction of the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def sources(self) -> list[SourceRecord]:
        """All sources, sorted by name."""
        rows = self._select("SELECT name, place, run FROM sources ORDER BY name")
        return [SourceRecord(*row) for row in rows]

    def keep(self, source: SourceRecord) -> None:
        """Keep this record of a source in place of the one of its name."""
        self._connection.execute(
            "INSERT INTO sources(name, place, run) VALUES (?, ?, ?)"
            " ON CONFLICT(name) DO UPDATE SET place = excluded.place, run = excluded.run",
            (source.name, source.place, source.run),
        )

    def files(self, source: str) -> dict[str, FileRecord]:
        """All files of a source, by name."""
        rows = self._select(
            "SELECT name, run, stamp FROM source_files WHERE source = ?", (self._number(source),)
        )
        return {name: FileRecord(run, stamp) for name, run, stamp in rows}

    def claims(self, source: str, files: Collection[str]) -> list[Claim]:
        """The claims of these files."""
        return self._claims(f"f.source = :source AND {_GONE}", self._of(source, files))

    def note(self, source: str, claims: Sequence[Claim], files: Mapping[str, FileRecord]) -> None:
        """Note claims and files."""
        number = self._number(source)
        new = {claim.file for claim in claims} - files.keys()
        self._connection.executemany(
            "INSERT OR IGNORE INTO source_files(source, name, run, stamp) VALUES (?, ?, 0, '')",
            [(number, file) for file in sorted(new)],
        )
        self._connection.executemany(
            _NOTE_FILE, [(number, name, one.run, one.stamp) for name, one in files.items()]
        )
        numbers = self._file_numbers(number, {claim.file for claim in claims})
        self._connection.executemany(
            _NOTE_CLAIM, [(numbers[one.file], one.id, one.content, one.run) for one in claims]
        )

    def obsolete(self, source: str, gone: Collection[str]) -> list[Claim]:
        """The claims of files that are gone, and the obsolete ones of all others."""
        return self._claims(_OBSOLETE, self._of(source, gone))

    def forget(self, source: str, gone: Collection[str]) -> None:
        """Forget the claims that ``obsolete`` gives, and the files that are gone."""
        given = self._of(source, gone)
        self._connection.execute(_FORGET, given)
        self._connection.execute(
            "DELETE FROM source_files WHERE source = :source"
            " AND name IN (SELECT value FROM json_each(:gone))",
            given,
        )

    def claimed(self, ids: Collection[str]) -> list[tuple[str, Claim]]:
        """All claims on these documents, each with its source."""
        rows = self._select(
            f"SELECT s.name, {_CLAIM} FROM claims c JOIN source_files f USING (file)"  # noqa: S608
            " JOIN sources s USING (source) WHERE c.id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return [(source, Claim(*claim)) for source, *claim in rows]

    def alike(self, contents: Collection[bytes]) -> dict[bytes, set[str]]:
        """Some documents that are claimed with each of these contents: the first and last id."""
        found: dict[bytes, set[str]] = {}
        for some in _batches(list(contents)):
            marks = ", ".join("?" * len(some))
            rows = self._select(
                f"SELECT content, min(id), max(id) FROM claims WHERE content IN ({marks})"  # noqa: S608
                " GROUP BY content",
                some,
            )
            found |= {content: {first, last} for content, first, last in rows}
        return found

    def count(self, source: str) -> int:
        """The number of documents that a source claims."""
        rows = self._select(
            "SELECT count(DISTINCT id) FROM claims JOIN source_files USING (file) WHERE source = ?",
            (self._number(source),),
        )
        return int(next(rows)[0])

    def astray(self, source: str) -> set[str]:
        """The files with a document that is not stored with a content anyone claims for it."""
        return {name for (name,) in self._select(_ASTRAY, (self._number(source),))}

    def sharing(self, source: str, run: int, gone: Collection[str]) -> set[str]:
        """The files that claim a document together with another that was read in a run or is gone.

        Both are among them.
        """
        pairs = self._select(_SHARING, {**self._of(source, gone), "run": run})
        return {name for pair in pairs for name in pair}

    def _claims(self, which: str, parameters: Mapping[str, object]) -> list[Claim]:
        return [Claim(*row) for row in self._select(f"{_READ_CLAIMS} {which}", parameters)]

    def _of(self, source: str, files: Collection[str]) -> dict[str, object]:
        return {"source": self._number(source), "gone": json.dumps(list(files))}

    def _number(self, source: str) -> int:
        rows = self._select("SELECT source FROM sources WHERE name = ?", (source,))
        return int(next(rows, (-1,))[0])

    def _file_numbers(self, source: int, names: Iterable[str]) -> dict[str, int]:
        rows = self._select(
            "SELECT name, file FROM source_files"
            " WHERE source = ? AND name IN (SELECT value FROM json_each(?))",
            (source, json.dumps(list(names))),
        )
        return dict(rows)

    def _select(self, query: str, parameters: Any = ()) -> Iterator[Any]:  # noqa: ANN401 - as SQLite has it
        return self._connection.execute(query, parameters)


def _batches(contents: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (contents[start : start + _BATCH] for start in range(0, len(contents), _BATCH))
