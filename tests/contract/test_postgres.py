"""What only collections in a database promise: errors that say what to do, moves, graphs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
import pytest
from samples import LEARNED, make_identity, make_null_vectors, random_units
from serving import service_here
from typer.testing import CliRunner

from indexer.cli.app import commands
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.engines import open_catalogue
from indexer.errors import (
    BearingError,
    InvalidInput,
    OtherFormat,
    Refused,
    TimedOut,
    Unreachable,
)
from indexer.filters import Kind, parse_filter
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.postgres.connection import check_pgvector, why_lossy
from indexer.postgres.schema import VERSIONS, Tables
from indexer.queries import Answer, Mode, Query
from indexer.reports import CountedValue, FieldSummary


def test_without_the_driver_it_is_said_what_to_install() -> None:
    """By the extra's name."""
    program = (
        "import sys; sys.modules['psycopg'] = None; from indexer.engines import open_catalogue; "
        "open_catalogue('postgresql://host/db')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "MissingExtra: psycopg is not installed" in done.stderr
    assert "[postgres]" in done.stderr


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (("/bearing", "/nosuch"), Refused, "no such database"),
        (("/bearing", "/postgres"), Refused, "CREATE EXTENSION vector"),
        (("//postgres@", "//nobody@"), Refused, "check the name and password"),
        (("/bearing", "/bearing?nonsense=1"), InvalidInput, "nonsense"),
        (("/bearing", "/bearing?port=1"), Unreachable, "is the server up"),
        (("/bearing", "/bearing?sslmode=verify-full"), Refused, "sslrootcert"),
    ],
    ids=["database", "extension", "role", "parameter", "port", "tls"],
)
def test_what_is_wrong_is_said(
    database: str, change: tuple[str, str], kind: type[BearingError], told: str
) -> None:
    """With the place, but without a password."""
    url = database.replace(*change).replace("@", ":secret@")
    with pytest.raises(kind, match=told) as raised:
        open_catalogue(url).names()
    assert "secret" not in str(raised.value)


MIDNIGHTS: Final = ("2024-03-01", "2024-03-01T00:00Z")

FIELDS = [
    FieldSummary("at", (Kind.MOMENT,), 1, (CountedValue("2024-03-01", 59),), *MIDNIGHTS),
    FieldSummary(
        "n", (Kind.NUMBER,), 59, tuple(CountedValue(i, 1) for i in range(21) if i != 7), 0, 59
    ),
    FieldSummary("tags", (), 0, (), None, None),
]


def ignore(_: object) -> None:
    """Progress is not what is tested."""


def embedded(number: int, vectors: Vectors) -> EmbeddedDocument:
    """A document of two chunks with a title and metadata; every third is truncated."""
    text = f"text {number}: \x00 caf\u00e9"
    held = {"n": number, "at": list(MIDNIGHTS), "tags": []}
    document = Document(f"d{number}", text, f"Title {number}", held)
    chunks = (Chunk(0, 0, 4), Chunk(1, 4, 9, unknown=number % 2 == 0))
    return EmbeddedDocument(document, chunks, vectors, number % 3 == 0)


def fill(collection: Collection, count: int) -> None:
    """As many documents."""
    vectors = random_units(2 * count)
    collection.put([embedded(i, vectors[2 * i : 2 * i + 2]) for i in range(count)])


def test_a_collection_moves_between_a_folder_and_a_database(
    empty_database: str, tmp_path: Path
) -> None:
    """By a backup, there and back, with all that was written and learned."""
    places = [str(tmp_path / "one"), empty_database, str(tmp_path / "two")]
    with ExitStack() as stack:
        catalogues = [open_catalogue(place) for place in places]
        for catalogue in catalogues:
            stack.callback(catalogue.close)
        catalogues[0].create("things", make_identity(), Language.GERMAN)
        with Collection(catalogues[0].open("things"), make_null_vectors) as first:
            fill(first, 60)
            first.delete(["d7"])
            first.keep_calibration(LEARNED)
            queries = [
                Query(vector=random_units(1, seed=5)[0], k=99),
                Query(text="text title", mode=Mode.LEXICAL, k=99),
            ]
            expected = first.search(queries)
            described = first.describe()
        for step in (0, 1):
            file = tmp_path / f"{step}.tar"
            made = catalogues[step].back_up("things", file, ignore)
            assert (made.documents, made.chunks) == (59, 118)
            restored = catalogues[step + 1].restore(file, "things", ignore)
            assert (restored.documents, restored.chunks) == (59, 118)
        for catalogue in catalogues[1:]:
            assert catalogue.names() == ["things"]
            assert catalogue.verify("things", None, ignore).sound
            with Collection(catalogue.open("things"), make_null_vectors) as moved:
                told = moved.describe()
                assert (told.truncated, told.unknown) == (described.truncated, described.unknown)
                assert (moved.language, moved.fields()) == (Language.GERMAN, FIELDS)
                agree(moved.search(queries), expected)


def agree(found: Sequence[Answer], expected: Sequence[Answer]) -> None:
    """The same documents, with the same scores up to their last bits, and what they are worth."""
    for one, other in zip(found, expected, strict=True):
        assert [hit.document for hit in one.hits] == [hit.document for hit in other.hits]
        assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits])
        assert [hit.relevance for hit in one.hits] == pytest.approx(
            [hit.relevance for hit in other.hits]
        )


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ("UPDATE {s}.document SET text = 'other' WHERE id = 'd3'", "document"),
        ("UPDATE {s}.document SET metadata = '{{}}' WHERE id = 'd3'", "fact"),
        ("UPDATE {s}.word_array SET content = '\\x00' WHERE name = 'codes'", "words"),
        ("UPDATE {s}.words SET segments = '{{}}', masks = '{{}}'", "words"),
        ("DELETE FROM {s}.chunk_1 WHERE document = 3", "tables"),
        ("UPDATE {s}.counter SET chunks = chunks + 1 WHERE slot = 3", "counter"),
        ("UPDATE {s}.chunk_1 SET v = (2 * v::real[])::vector WHERE number = 3", "chunk"),
    ],
    ids=["text", "metadata", "array", "words", "chunks", "counts", "vector"],
)
def test_damage_is_found(empty_database: str, damage: str, place: str) -> None:
    """By the place, whatever was changed behind Bearing's back."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("things")) as collection:
        fill(collection, 5)
        collection.rebuild()
    assert catalogue.verify("things", None, ignore).sound
    with psycopg.connect(empty_database, autocommit=True) as connection:
        statement = damage.format(s=f"bearing_{catalogue.version('things')}")
        connection.execute(statement.replace("(2 * v::real[])::vector", "v + v"))
    found = catalogue.verify("things", None, ignore)
    assert place in {finding.place for finding in found.findings}
    catalogue.close()


def test_a_graph_finds_what_is_there_with_what_came_since(empty_database: str) -> None:
    """With the recall that it states; documents written later are compared with one by one."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    vectors = random_units(1_500, seed=1)
    chunk = (Chunk(0, 0, 4),)
    with Collection(catalogue.open("things")) as collection:

        def put(start: int, end: int) -> None:
            collection.put(
                [
                    EmbeddedDocument(
                        Document(f"d{i}", "text", None, {"odd": i % 2}), chunk, vectors[i : i + 1]
                    )
                    for i in range(start, end)
                ]
            )

        put(0, 1_200)
        collection.rebuild(IndexChoice(IndexKind.GRAPH))
        put(1_200, 1_500)
        collection.delete([f"d{i}" for i in range(0, 1_500, 5)])
        index = collection.describe().index
        assert (index["kind"], index["late_rows"]) == ("graph", 240)
        assert index["recall"] >= 0.99 and set(index["bands"]) == {"10", "100", "300"}
        odd = parse_filter({"odd": 1})
        there = np.array([i for i in range(1_500) if i % 5])
        most = parse_filter({"odd": {"$in": [0, 1]}})
        for condition, among in ((None, there), (odd, there[there % 2 == 1]), (most, there)):
            shares = []
            for query in random_units(20, seed=2):
                asked = Query(vector=query, k=10, filter=condition)
                (answer,) = collection.search([asked])
                assert not answer.exact
                best = among[np.argsort(-(vectors[among] @ query))[:10]]
                shares.append(len({f"d{i}" for i in best} & {h.document.id for h in answer.hits}))
            assert sum(shares) / 200 >= 0.97
        (everything,) = collection.search([Query(vector=vectors[1], k=5_000)])
        assert len(everything.hits) == 1_200
        collection.rebuild(IndexChoice(IndexKind.EXACT))
        assert collection.describe().index["kind"] == "exact"
    catalogue.close()


def test_a_server_that_may_lose_writes_is_refused_where_that_is_asked(database: str) -> None:
    """That of the tests does not even wait for its disk."""
    catalogue = open_catalogue(database, require_sync=True)
    with pytest.raises(Refused, match="fsync is off"):
        catalogue.names()


@pytest.mark.parametrize(
    ("commit", "waits", "standbys", "why"),
    [
        ("on", False, 0, None),
        ("on", False, 2, "asynchronously"),
        ("on", True, 2, None),
        ("local", True, 2, "synchronous_commit is local"),
        ("off", False, 0, "synchronous_commit is off"),
        ("remote_write", True, 1, None),
    ],
)
def test_what_may_be_lost_is_known_by_the_settings(
    commit: str, waits: bool, standbys: int, why: str | None
) -> None:
    """A server without standbys is as durable as its disk; one with them is if it waits for one."""
    told = why_lossy(False, True, commit, waits, standbys)
    assert (told is None) == (why is None)
    assert why is None or why in str(told)


def test_an_old_pgvector_is_refused() -> None:
    """With the version that is needed."""
    check_pgvector("0.8.2", "here")
    check_pgvector("0.10.0", "here")
    for version in ("0.8.1", "0.7", "0.8"):
        with pytest.raises(Refused, match=r"0\.8\.2 is needed"):
            check_pgvector(version, "here")


def test_a_server_that_hangs_is_told_of_in_time(empty_database: str) -> None:
    """By the deadline in the URL; and searched again once it answers."""
    catalogue = open_catalogue(f"{empty_database}?deadline_seconds=0.5")
    catalogue.create("things", make_identity(), Language.ENGLISH)
    with (
        Collection(catalogue.open("things")) as collection,
        psycopg.connect(empty_database, autocommit=True) as other,
    ):
        fill(collection, 3)
        table = f"bearing_{catalogue.version('things')}.chunk_1"
        with other.transaction():
            other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            begun = time.monotonic()
            with pytest.raises(TimedOut, match=r"0\.5 seconds"):
                collection.search([Query(vector=random_units(1)[0])])
            assert time.monotonic() < begun + 5
        assert len(collection.search([Query(vector=random_units(1)[0])])[0].hits) == 3
    catalogue.close()


def test_connections_that_were_cut_are_replaced(empty_database: str) -> None:
    """A search or a write after a restart of the server succeeds as if nothing were."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with (
        Collection(catalogue.open("things")) as collection,
        psycopg.connect(empty_database, autocommit=True) as other,
    ):
        fill(collection, 3)
        for work in (
            lambda: collection.search([Query(vector=random_units(1)[0])]),
            lambda: fill(collection, 4),
            lambda: collection.delete(["d0"]),
            lambda: catalogue.names(),
            lambda: collection.calibrations(),
        ):
            other.execute(cut)
            work()
        assert collection.describe().documents == 3
    catalogue.close()


def test_many_writers_leave_each_document_once(empty_database: str) -> None:
    """Threads of two catalogues put, replace and delete the same documents in any order."""
    catalogues = [open_catalogue(empty_database) for _ in range(2)]
    catalogues[0].create("things", make_identity(), Language.ENGLISH)
    failed: list[Exception] = []

    def write(number: int) -> None:
        dice = np.random.default_rng(number)
        engine = catalogues[number % 2].open("things")
        try:
            for _ in range(12):
                some = dice.permutation(20)[:8].tolist()
                vectors = random_units(16, seed=int(dice.integers(1_000)))
                engine.put([embedded(i, vectors[2 * n : 2 * n + 2]) for n, i in enumerate(some)])
                engine.delete([f"d{i}" for i in some[:2]])
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            engine.close()

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert catalogues[1].verify("things", None, ignore).sound
    with Collection(catalogues[1].open("things")) as collection:
        documents = collection.page(limit=99).documents
        assert len(documents) == len({one.id for one in documents})
        assert len(documents) == collection.describe().documents
    for catalogue in catalogues:
        catalogue.close()


def test_words_are_those_of_the_newest_state_in_each_process(empty_database: str) -> None:
    """Whichever wrote or indexed them last: each scores as a collection that was written at once.

    A search that began before a write goes on with the words of then.
    """
    catalogues = [open_catalogue(empty_database) for _ in range(2)]
    catalogues[0].create("things", make_identity(), Language.ENGLISH)
    memory = open_catalogue("memory:")
    memory.create("things", make_identity(), Language.ENGLISH)
    dice = np.random.default_rng(4)
    engines = [one.open("things") for one in catalogues]
    whole, *several = (Collection(one) for one in (memory.open("things"), *engines))
    bag = {"w3": 1.0, "w5": 2.0}

    def write(writer: int) -> None:
        some = dice.permutation(40)[:8].tolist()
        texts = [" ".join(f"w{n}" for n in dice.integers(0, 15, i % 7 + 1)) for i in some]
        documents = [
            EmbeddedDocument(Document(f"d{i}", text), (Chunk(0, 0, 1),), random_units(1))
            for i, text in zip(some, texts, strict=True)
        ]
        for one in (whole, several[writer]):
            one.put(documents)
            one.delete([f"d{i}" for i in some[:3]])

    for step in range(12):
        writer = step % 2
        write(writer)
        with engines[writer].reading() as state:
            before = state.lexical.matches(bag).best(99, state.scope())
        with engines[1 - writer].reading() as state:
            write(writer)
            several[1 - writer].search([Query(text="w3", mode=Mode.LEXICAL)])
            assert state.lexical.matches(bag).best(99, state.scope()) == before
        if step % 3 == 0:
            several[1 - writer].rebuild()
        query = Query(text="w3 w5 w5 w9", mode=Mode.LEXICAL, k=99)
        (expected,) = whole.search([query])
        for one in several:
            (found,) = one.search([query])
            assert [hit.document.id for hit in found.hits] == [
                hit.document.id for hit in expected.hits
            ]
            assert [hit.score for hit in found.hits] == pytest.approx(
                [hit.score for hit in expected.hits]
            )
    assert catalogues[0].verify("things", None, ignore).sound
    for one in (whole, *several, memory, *catalogues):
        one.close()


def test_a_damaged_index_of_words_is_made_anew(
    empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """From the texts; the log says so."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("things")) as collection:
        fill(collection, 5)
        collection.rebuild()
    with psycopg.connect(empty_database, autocommit=True) as connection:
        schema = f"bearing_{catalogue.version('things')}"
        connection.execute(f"UPDATE {schema}.word_array SET content = '\\x00' WHERE name = 'terms'")
    with Collection(catalogue.open("things")) as collection:
        (answer,) = collection.search([Query(text="text", mode=Mode.LEXICAL)])
        assert len(answer.hits) == 5
        assert "made anew from the texts" in caplog.text
        collection.rebuild()
    assert catalogue.verify("things", None, ignore).sound
    catalogue.close()


OLD: Final = """
INSERT INTO {s}.document VALUES (1, 'd1', '\\x00', '{{"n": 1}}', 'Title', 'a text', 3, '{{text}}');
INSERT INTO {s}.chunk_1(document, position, start, stop, unknown, truncated, hash, v)
VALUES (1, 0, 0, 6, false, false, '\\x00', '{v}');
SELECT nextval('{s}.document_number');
INSERT INTO {s}.posting VALUES ('text', 1, 1, 3);
UPDATE {s}.counter SET documents = 1, words = 3, chunks = 1 WHERE slot = 3;
"""
"""A document as version 1 kept it."""


def test_tables_of_the_first_version_are_brought_up_to_date(empty_database: str) -> None:
    """By a command; until then the collection is refused, with its name."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    tables = Tables(int(str(catalogue.version("things"))))
    vector = "[1" + ",0" * 15 + "]"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        identity = connection.execute(f"SELECT * FROM {tables.schema}.generation").fetchone()
        connection.execute(f"DROP SCHEMA {tables.schema} CASCADE")
        connection.execute(f"CREATE SCHEMA {tables.schema}")
        for statements in (VERSIONS[0], tables.generation(1, 16)):
            connection.execute(tables.sql(statements))
        connection.execute(
            f"INSERT INTO {tables.schema}.generation VALUES (%s, %s, %s, %s, %s)", identity[:5]
        )
        connection.execute(OLD.format(s=tables.schema, v=vector))
        connection.execute("UPDATE bearing.collection SET version = 1")
    with pytest.raises(OtherFormat, match=r"'things' .* bearing upgrade"):
        catalogue.open("things")
    assert catalogue.upgrade("things")
    assert not catalogue.upgrade("things")
    with Collection(catalogue.open("things")) as collection:
        for query in (Query(text="text", mode=Mode.LEXICAL), Query(vector=random_units(1)[0])):
            (answer,) = collection.search([query])
            assert [hit.document.text for hit in answer.hits] == ["a text"]
        fill(collection, 3)
        assert collection.describe().documents == 3
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE bearing.collection SET version = 99")
    for attempt in (catalogue.open, catalogue.upgrade):
        with pytest.raises(OtherFormat, match="update Bearing"):
            attempt("things")
    catalogue.close()


def test_while_there_is_no_primary_a_standby_answers_and_says_so(
    empty_database: str, tmp_path: Path
) -> None:
    """Searches, by words too, and readiness; by the primary again as soon as there is one."""
    port = empty_database.rpartition(":")[2].partition("/")[0]
    several = empty_database.replace(f"127.0.0.1:{port}", f"127.0.0.1:{port},127.0.0.1:{port}")
    name = empty_database.rpartition("/")[2]
    with (
        psycopg.connect(empty_database, autocommit=True) as other,
        service_here(tmp_path, data=several) as client,
    ):

        def let(write: str) -> None:
            other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {write}")
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )

        def ask(mode: str) -> dict[str, Any]:
            answer = client.post("/search", json={"query": "a text", "mode": mode})
            assert answer.status_code == 200, answer.text
            assert [hit["id"] for hit in answer.json()["hits"]] == ["one"]
            found: dict[str, Any] = answer.json()
            return found

        put = {"documents": [{"id": "one", "text": "a text"}]}
        assert client.put("/documents", json=put).status_code == 200
        try:
            for write, part, behind in (("off", "primary", False), ("on", "standby", True)) * 2:
                let(write)
                time.sleep(1.1 if write == "off" else 0)
                assert [ask(mode).get("behind", False) for mode in ("dense", "lexical")] == [
                    behind,
                    behind,
                ]
                assert client.get("/readyz").json() == {"status": "ready", "database": part}
        finally:
            let("off")


def test_documents_are_indexed_by_shards(empty_database: str, tmp_path: Path) -> None:
    """Each process its own; again after one was killed, what is stored is not embedded again."""
    lines = "".join(json.dumps({"id": f"d{i}", "text": f"text {i}"}) + "\n" for i in range(40))
    (tmp_path / "a.jsonl").write_text(lines)
    settings = {"BEARING_DATA": empty_database, "BEARING_MODEL": "hashing"}

    def index(shard: str) -> Any:
        words = ["index", str(tmp_path / "a.jsonl"), "--shard", shard, "--json"]
        words += ["--rejects", str(tmp_path / "r.jsonl")]
        done = CliRunner().invoke(commands(), words, env=settings)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    first, *others = [index(f"{number}/3")["written"] for number in (1, 2, 3)]
    assert 0 < first < 40 and first + sum(others) == 40
    again = index("1/3")
    assert (again["written"], again["unchanged"]) == (0, first)
    catalogue = open_catalogue(empty_database)
    assert catalogue.verify("default", None, ignore).documents == 40
    catalogue.close()


def test_a_filter_asked_again_sees_what_was_written_meanwhile(empty_database: str) -> None:
    """By whichever process: put, changed, deleted; and values that Python calls equal differ."""
    catalogues = [open_catalogue(empty_database) for _ in range(2)]
    catalogues[0].create("things", make_identity(), Language.ENGLISH)
    with ExitStack() as stack:
        for catalogue in catalogues:
            stack.callback(catalogue.close)
        reader, writer = (
            stack.enter_context(Collection(one.open("things"), make_null_vectors))
            for one in catalogues
        )
        vectors = random_units(4, seed=2)

        def put(number: int, n: object) -> None:
            document = Document(f"d{number}", "t", None, {"n": n})  # type: ignore[dict-item]
            writer.put([EmbeddedDocument(document, (Chunk(0, 0, 1),), vectors[number][None])])

        def found(n: object) -> set[str]:
            query = Query(vector=vectors[0], k=4, filter=parse_filter({"n": n}))
            return {hit.document.id for _ in range(2) for hit in reader.search([query])[0].hits}

        put(0, 1)
        assert found(1) == {"d0"}
        put(1, 1)
        put(2, True)
        assert found(1) == {"d0", "d1"}
        assert found(True) == {"d2"}
        put(0, 2)
        assert found(1) == {"d1"}
        writer.delete(["d1"])
        assert found(1) == set()
