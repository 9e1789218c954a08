"""The origins of documents, in tables beside them; see indexer.origins.Origins.

They are read from the primary only, since what is pruned is decided by them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from indexer.origins import Claim, FileRecord, SourceRecord
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.schema import Tables

_KEEP: Final = """
INSERT INTO @source(name, place, run) VALUES (%(name)s, %(place)s, %(run)s)
ON CONFLICT (name) DO UPDATE SET place = excluded.place, run = {run} RETURNING run
"""
_FILES: Final = """
SELECT f.name, f.run, f.stamp FROM @source_file f JOIN @source s ON s.number = f.source
WHERE s.name = %s
"""
_CLAIM: Final = "f.name, c.id, c.content, c.run"
_FROM: Final = """
FROM @source s JOIN @source_file f ON f.source = s.number JOIN @claim c ON c.file = f.number
"""
_OBSOLETE: Final = "s.name = %(source)s AND (f.name = ANY(%(files)s) OR c.run < f.run)"
_FORGET: Final = f"""
DELETE FROM @claim g USING (SELECT c.file, c.id, c.content {_FROM} WHERE {_OBSOLETE}) o
WHERE g.file = o.file AND g.id = o.id AND g.content = o.content
"""  # noqa: S608 - constants
_FORGET_FILES: Final = """
DELETE FROM @source_file f USING @source s
WHERE s.number = f.source AND s.name = %(source)s AND f.name = ANY(%(files)s)
"""
_NOTE_FILES: Final = """
INSERT INTO @source_file(source, name, run, stamp)
SELECT s.number, t.name, t.run, t.stamp
FROM @source s, unnest(%s::text[], %s::integer[], %s::text[]) AS t(name, run, stamp)
WHERE s.name = %s ORDER BY t.name ON CONFLICT (source, name) DO {otherwise}
"""
_NOTE_CLAIMS: Final = """
INSERT INTO @claim AS old(file, id, content, run)
SELECT f.number, t.id, t.content, max(t.run)
FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::integer[]) AS t(file, id, content, run)
    JOIN @source_file f ON f.name = t.file JOIN @source s ON s.number = f.source
WHERE s.name = %s GROUP BY f.number, t.id, t.content ORDER BY 1, 2, 3
ON CONFLICT (file, id, content) DO UPDATE SET run = greatest(old.run, excluded.run)
"""
_ASTRAY: Final = f"""
SELECT DISTINCT f.name {_FROM} WHERE s.name = %s AND NOT EXISTS (
    SELECT FROM @document d JOIN @claim o ON o.id = d.id AND o.content = d.hash
    WHERE d.id = c.id)
"""  # noqa: S608 - constants
_SHARING: Final = f"""
WITH own AS (SELECT f.number, f.name, f.run AS read, c.id, c.run {_FROM} WHERE s.name = %s),
touched AS (SELECT DISTINCT number FROM own WHERE read = %s OR run = %s OR name = ANY(%s))
SELECT DISTINCT unnest(ARRAY[a.name, b.name]) FROM own a JOIN touched t ON t.number = a.number
    JOIN own b ON b.id = a.id AND b.number <> a.number
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class PostgresOrigins:
    """See indexer.origins.Origins."""

    database: Database
    tables: Tables

    def sources(self) -> list[SourceRecord]:
        """All sources, sorted by name."""
        rows = self._ask('SELECT name, place, run FROM @source ORDER BY name COLLATE "C"')
        return [SourceRecord(*row) for row in rows]

    def keep(self, source: SourceRecord) -> None:
        """Keep this record of a source in place of the one of its name."""
        given = {"name": source.name, "place": source.place, "run": source.run}
        self._ask(_KEEP.format(run="excluded.run"), given)

    def begin(self, source: str, place: str) -> int:
        """Begin the next run of a source, and return its number."""
        given = {"name": source, "place": place, "run": 1}
        return int(self._ask(_KEEP.format(run="@source.run + 1"), given)[0][0])

    def files(self, source: str) -> dict[str, FileRecord]:
        """All files of a source, by name."""
        return {name: FileRecord(run, stamp) for name, run, stamp in self._ask(_FILES, [source])}

    def claims(self, source: str, files: Collection[str]) -> list[Claim]:
        """The claims of these files."""
        which = "s.name = %(source)s AND f.name = ANY(%(files)s)"
        return self._claims(which, {"source": source, "files": list(files)})

    def note(self, source: str, claims: Sequence[Claim], files: Mapping[str, FileRecord]) -> None:
        """Note claims and files, durably."""
        new = sorted({claim.file for claim in claims} - files.keys())
        known = [list(files), [one.run for one in files.values()], [*_stamps(files)]]
        noted = [
            [claim.file for claim in claims],
            [claim.id for claim in claims],
            [claim.content for claim in claims],
            [claim.run for claim in claims],
        ]
        replaced = "UPDATE SET run = excluded.run, stamp = excluded.stamp"

        def write(connection: Connection) -> None:
            for files_of, otherwise in (
                ([new, [0] * len(new), [""] * len(new)], "NOTHING"),
                (known, replaced),
            ):
                statement = self.tables.sql(_NOTE_FILES.format(otherwise=otherwise))
                connection.execute(statement, [*files_of, source])
            connection.execute(self.tables.sql(_NOTE_CLAIMS), [*noted, source])

        self.database.write(write)

    def obsolete(self, source: str, gone: Collection[str]) -> list[Claim]:
        """The claims of files that are gone, and the obsolete ones of all others."""
        return self._claims(_OBSOLETE, {"source": source, "files": list(gone)})

    def forget(self, source: str, gone: Collection[str]) -> None:
        """Forget the claims that ``obsolete`` gives, and the files that are gone."""
        given = {"source": source, "files": list(gone)}

        def write(connection: Connection) -> None:
            for statement in (_FORGET, _FORGET_FILES):
                connection.execute(self.tables.sql(statement), given)

        self.database.write(write)

    def claimed(self, ids: Collection[str]) -> list[tuple[str, Claim]]:
        """All claims on these documents, each with its source."""
        statement = f"SELECT s.name, {_CLAIM} {_FROM} WHERE c.id = ANY(%s)"
        rows = self._ask(statement, [list(ids)])
        return [(source, _claim(claim)) for source, *claim in rows]

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """The hashes of the stored contents of those of these documents that exist."""
        rows = self._ask("SELECT id, hash FROM @document WHERE id = ANY(%s)", [list(ids)])
        return {id: bytes(content) for id, content in rows}

    def alike(self, contents: Collection[bytes]) -> dict[bytes, set[str]]:
        """Some documents that are claimed with each of these contents: the first and last id."""
        statement = "SELECT content, min(id), max(id) FROM @claim WHERE content = ANY(%s)"
        rows = self._ask(f"{statement} GROUP BY content", [list(contents)])
        return {bytes(content): {first, last} for content, first, last in rows}

    def count(self, source: str) -> int:
        """The number of documents that a source claims."""
        statement = f"SELECT count(DISTINCT c.id) {_FROM} WHERE s.name = %s"
        return int(self._ask(statement, [source])[0][0])

    def astray(self, source: str) -> set[str]:
        """The files with a document that is not stored with a content anyone claims for it."""
        return {name for (name,) in self._ask(_ASTRAY, [source])}

    def sharing(self, source: str, run: int, gone: Collection[str]) -> set[str]:
        """The files that claim a document together with another that was read in a run or is gone.

        Both are among them.
        """
        return {name for (name,) in self._ask(_SHARING, [source, run, run, list(gone)])}

    def _claims(self, which: str, given: Mapping[str, object]) -> list[Claim]:
        rows = self._ask(f"SELECT {_CLAIM} {_FROM} WHERE {which}", given)
        return [_claim(row) for row in rows]

    def _ask(
        self, statement: str, given: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        return self.database.write(
            lambda one: one.execute(self.tables.sql(statement), given).fetchall()
        )


def _claim(row: Sequence[Any]) -> Claim:
    file, id, content, run = row
    return Claim(file, id, bytes(content), run)


def _stamps(files: Mapping[str, FileRecord]) -> list[str]:
    return [one.stamp for one in files.values()]
