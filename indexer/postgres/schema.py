"""The tables: of the catalogue, and of each collection; and their versions.

A statement names a collection's table with an at sign, ``@document``, and ``Tables`` puts the
collection's schema in its place. Each version is what is done to the one before it, and none is
ever changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

CATALOGUE: Final = "bearing"
"""The schema that lists the collections."""

CATALOGUE_TABLES: Final = f"""
CREATE SCHEMA IF NOT EXISTS {CATALOGUE};
CREATE TABLE IF NOT EXISTS {CATALOGUE}.collection(
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    version integer NOT NULL,
    language text NOT NULL);
"""

ALIAS_TABLE: Final = f"""
CREATE TABLE IF NOT EXISTS {CATALOGUE}.alias(
    name text COLLATE "C" PRIMARY KEY,
    collection integer NOT NULL REFERENCES {CATALOGUE}.collection(number));
"""
"""The second names of collections; made with the first alias, so earlier versions need no step."""

SLOTS: Final = 16
"""Rows of counters: writers that are on different ones do not wait for each other."""

MOST_DIMENSIONS_IN_ROW: Final = 1_900
"""Longer vectors do not fit a page of 8 KB beside the rest of their row."""

_FIRST: Final = f"""
CREATE TABLE @generation(
    number integer PRIMARY KEY, identity text NOT NULL, essence text NOT NULL,
    fingerprint text NOT NULL, live boolean, retired timestamptz,
    kind text, sealed bigint NOT NULL DEFAULT 0, recall text);
CREATE UNIQUE INDEX ON @generation(live);
CREATE TABLE @counter(
    slot integer PRIMARY KEY, writes bigint NOT NULL DEFAULT 0,
    documents bigint NOT NULL DEFAULT 0, words bigint NOT NULL DEFAULT 0,
    chunks bigint NOT NULL DEFAULT 0, truncated bigint NOT NULL DEFAULT 0,
    unknown bigint NOT NULL DEFAULT 0) WITH (fillfactor = 20);
INSERT INTO @counter(slot) SELECT generate_series(0, {SLOTS - 1});
CREATE SEQUENCE @document_number AS bigint CACHE 1;
CREATE TABLE @document(
    number bigint PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
    hash bytea NOT NULL, metadata json NOT NULL, title text, text text NOT NULL,
    length integer NOT NULL, words text[] NOT NULL);
CREATE INDEX ON @document(hash);
CREATE TABLE @field(
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" UNIQUE);
CREATE TABLE @fact(
    field integer NOT NULL, value bytea NOT NULL, document bigint NOT NULL,
    given text[], whole bytea, PRIMARY KEY(field, value, document));
CREATE TABLE @posting(
    word text COLLATE "C" NOT NULL, document bigint NOT NULL,
    frequency integer NOT NULL, length integer NOT NULL,
    PRIMARY KEY(word, document) INCLUDE (frequency, length));
CREATE TABLE @lease(
    job text PRIMARY KEY, holder text NOT NULL, purpose text NOT NULL, until timestamptz NOT NULL);
CREATE SEQUENCE @stamp AS bigint;
CREATE TABLE @kept(
    what text NOT NULL, fingerprint text NOT NULL, stamp bigint NOT NULL, content bytea NOT NULL,
    PRIMARY KEY(what, fingerprint));
"""

_SECOND: Final = f"""
DROP TABLE @posting;
ALTER TABLE @counter DROP words;
ALTER TABLE @document DROP words, DROP length,
    ADD slot integer NOT NULL DEFAULT 0, ADD write bigint NOT NULL DEFAULT 0;
CREATE INDEX ON @document(slot, write);
CREATE TABLE @gone(
    slot integer NOT NULL, write bigint NOT NULL, document bigint NOT NULL,
    PRIMARY KEY(slot, write, document));
CREATE TABLE @words(
    epoch bigint NOT NULL, rules integer NOT NULL, key text NOT NULL, clock bigint[] NOT NULL,
    segments bigint[] NOT NULL, masks bigint[] NOT NULL);
INSERT INTO @words VALUES
    (0, 0, gen_random_uuid(), array_fill(-1::bigint, ARRAY[{SLOTS}]), '{{}}', '{{}}');
CREATE SEQUENCE @word_file AS bigint;
CREATE TABLE @word_array(
    file bigint NOT NULL, name text NOT NULL, piece integer NOT NULL, kind text NOT NULL,
    checksum bigint NOT NULL, content bytea NOT NULL,
    PRIMARY KEY(file, name, piece));
ALTER TABLE @word_array ALTER content SET STORAGE EXTERNAL;
"""  # noqa: S608 - a constant
"""The index of words as arrays; each document says which write stored its content."""

_THIRD: Final = """
CREATE TABLE @line(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL);
"""
"""The judgements of users."""

_PICTURES: Final = """
ALTER TABLE @document ADD picture text;
CREATE INDEX ON @document(number) WHERE picture IS NOT NULL;
CREATE TABLE @picture(document bigint PRIMARY KEY, thumbnail bytea NOT NULL, original bytea);
ALTER TABLE @picture ALTER thumbnail SET STORAGE EXTERNAL, ALTER original SET STORAGE EXTERNAL;
"""
"""The pictures of documents, and the files of those that are kept."""

_ORIGINS: Final = """
CREATE TABLE @source(
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE, place text NOT NULL, run integer NOT NULL);
CREATE TABLE @source_file(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source integer NOT NULL,
    name text COLLATE "C" NOT NULL, run integer NOT NULL, stamp text NOT NULL,
    UNIQUE(source, name));
CREATE TABLE @claim(
    file bigint NOT NULL, id text COLLATE "C" NOT NULL, content bytea NOT NULL,
    run integer NOT NULL, PRIMARY KEY(file, id, content));
CREATE INDEX ON @claim(id, content);
CREATE INDEX ON @claim(content, id);
"""
"""Of which sources documents are."""

_HASHES: Final = "DROP INDEX @document_hash_idx;"
"""Nothing looked documents up by their hashes, and each write paid for it."""

_FOURTH: Final = _PICTURES + _ORIGINS + _HASHES

VERSIONS: Final = (_FIRST, _SECOND, _THIRD, _FOURTH)
"""The statements that lead from each version of a collection's tables to the next."""

VERSION: Final = len(VERSIONS)

_GENERATION: Final = """
CREATE TABLE @chunk_{number}(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, document bigint NOT NULL,
    position integer NOT NULL, start integer NOT NULL, stop integer NOT NULL,
    unknown boolean NOT NULL, truncated boolean NOT NULL, hash bytea,
    v vector({dimension}) NOT NULL);
ALTER TABLE @chunk_{number} ALTER v SET STORAGE {storage};
CREATE INDEX chunk_{number}_of_document ON @chunk_{number}(document);
"""

_TABLE: Final = re.compile(r"@([a-z])")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of the collection with this number."""

    collection: int

    @property
    def schema(self) -> str:
        """The schema of the collection."""
        return f"{CATALOGUE}_{self.collection}"

    def sql(self, statement: str) -> str:
        """A statement with the names of this collection's tables."""
        return _named(self.schema, statement)

    def generation(self, number: int, dimension: int) -> str:
        """The statements that create the table of a generation's chunks."""
        storage = "PLAIN" if dimension <= MOST_DIMENSIONS_IN_ROW else "EXTERNAL"
        return self.sql(_GENERATION.format(number=number, dimension=dimension, storage=storage))


@lru_cache(maxsize=1_024)
def _named(schema: str, statement: str) -> str:
    return _TABLE.sub(rf"{schema}.\1", statement)
