"""The tables of the store."""

from __future__ import annotations

from typing import Final

STORE: Final = "store.sqlite"
"""The file's name in the folder of a collection."""

FORMAT: Final = 4
"""Increased by each change of the tables, or of their content; see ``upgrade``."""

SCHEMA: Final = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE traits(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE generations(
    generation INTEGER PRIMARY KEY, identity TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE documents(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL,
    truncated INTEGER NOT NULL, changed INTEGER NOT NULL,
    title TEXT, metadata TEXT NOT NULL, text TEXT NOT NULL, picture TEXT);
CREATE INDEX pictured_documents ON documents(number) WHERE picture IS NOT NULL;
CREATE TABLE pictures(document INTEGER PRIMARY KEY, thumbnail BLOB NOT NULL, original BLOB);
CREATE INDEX documents_by_change ON documents(changed);
CREATE TABLE deletions(document INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE INDEX deletions_by_sequence ON deletions(sequence);
CREATE TABLE chunks(
    generation INTEGER NOT NULL, row INTEGER NOT NULL, document INTEGER NOT NULL,
    position INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
    checksum INTEGER NOT NULL, unknown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(generation, row)) WITHOUT ROWID;
CREATE INDEX chunks_of_document ON chunks(document, generation, row);
CREATE INDEX unknown_chunks ON chunks(generation, document) WHERE unknown;
CREATE TABLE blocks(
    generation INTEGER NOT NULL, block INTEGER NOT NULL, sequence INTEGER NOT NULL,
    checksum INTEGER NOT NULL, owners BLOB NOT NULL,
    PRIMARY KEY(generation, block)) WITHOUT ROWID;
CREATE INDEX blocks_by_sequence ON blocks(generation, sequence);
CREATE TABLE drafts(
    document INTEGER PRIMARY KEY, hash BLOB NOT NULL, truncated INTEGER NOT NULL);
CREATE TABLE fields(field INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE facets(
    field INTEGER NOT NULL, kind INTEGER NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY(field, kind, value, document)) WITHOUT ROWID;
"""

ORIGINS: Final = (
    "CREATE TABLE sources("
    "source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, place TEXT NOT NULL,"
    " run INTEGER NOT NULL)",
    "CREATE TABLE source_files("
    "file INTEGER PRIMARY KEY, source INTEGER NOT NULL, name TEXT NOT NULL, run INTEGER NOT NULL,"
    " stamp TEXT NOT NULL, UNIQUE(source, name))",
    "CREATE TABLE claims("
    "file INTEGER NOT NULL, id TEXT NOT NULL, content BLOB NOT NULL, run INTEGER NOT NULL,"
    " PRIMARY KEY(file, id, content)) WITHOUT ROWID",
    "CREATE INDEX claims_by_id ON claims(id, content)",
    "CREATE INDEX claims_by_content ON claims(content, id)",
)
"""The sources of documents, their files, and the documents that these claim; since format 4."""
