"""Documents from reading to a collection: what is embedded, written, counted, and in which order.

Collections and embedders are the real ones; where a test must see or delay a call, a subclass
does that and calls on.
"""

import threading
from dataclasses import replace

import numpy as np
import pytest
from local import create_local

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.engine import EngineEmbedder
from indexer.embedding.hashing_engine import HashingEngine, HashingTokenizer, open_hashing
from indexer.errors import InvalidVector, StorageFailed, Unreadable
from indexer.ingestion.changes import (
    Stored,
    store,
)
from indexer.ingestion.channel import (
    Channel,
    Closed,
)
from indexer.ingestion.chunking import chunk_content, heading
from indexer.ingestion.pipeline import (
    PREPARE_CHARACTERS,
    PREPARED_TOKENS,
    READ_AHEAD_CHARACTERS,
    WRITE_CHUNKS,
    ingest,
)
from indexer.ingestion.preparation import (
    embed_documents,
)
from indexer.readers.reading import Read, Rejection
from indexer.storage.engine import LocalEngine


class WatchedCollection(Collection):
    """A collection that remembers what was written to it."""

    def __init__(self, folder):
        super().__init__(LocalEngine(folder))
        self.folder = folder
        self.puts, self.amends = [], []

    def put(self, documents):
        """Remember, then put."""
        self.puts.append([one.document.id for one in documents])
        super().put(documents)

    def amend(self, documents):
        """Remember, then amend."""
        self.amends.append([document.id for document in documents])
        super().amend(documents)


class FullCollection(Collection):
    """A collection on a full disk."""

    def put(self, documents):
        """Fail as storage does."""
        raise StorageFailed("no space left on device")


class ContestedCollection(Collection):
    """A collection from which someone deletes whatever has just been compared."""

    def changes(self, documents):
        """Compare, then delete."""
        changes = super().changes(documents)
        self.delete([document.id for document in documents])
        return changes


class WatchedEmbedder(EngineEmbedder):
    """An embedder that counts, and finds no direction in "zero".

    After ``free`` texts it waits to be let go.
    """

    def __init__(self):
        plain = open_hashing(32)
        super().__init__(plain._description, HashingTokenizer(), HashingEngine(32))
        self.embedded = 0
        self.tokenized = 0
        self.free = 0
        self.go = threading.Event()
        self.go.set()

    def tokenize(self, texts, *args):
        """Count, then tokenise."""
        self.tokenized += len(texts)
        return super().tokenize(texts, *args)

    def embed(self, inputs, *args):
        """Count, then embed."""
        assert self.embedded < self.free or self.go.wait(60)
        self.embedded += len(inputs)
        zero = super().tokenize(["zero"])[0].ids
        for place, one in enumerate(inputs):
            if not isinstance(one, str) and np.array_equal(one.ids, zero):
                raise InvalidVector(f"vector {place} is zero: a direction is needed")
        return super().embed(inputs, *args)


class Optimist(WatchedEmbedder):
    """An embedder that has half as much room as it says, as if cut words took twice the tokens."""

    def tokenize(self, texts, *args):
        """Find a text too long at half the room."""
        whole = super().tokenize(texts, *args)
        return [replace(one, truncated=len(one.spans) > self.room // 2) for one in whole]


@pytest.fixture
def embedder():
    """A watched embedder, closed in the end."""
    with WatchedEmbedder() as opened:
        yield opened


@pytest.fixture
def collection(tmp_path, embedder):
    """An empty watched collection."""
    create_local(tmp_path / "watched", embedder.identity).close()
    with WatchedCollection(tmp_path / "watched") as opened:
        yield opened


def read(*items):
    """The items as they are read, ten bytes each."""
    return [Read(item, 10 * place) for place, item in enumerate(items, start=1)]


def documents(count, words=5):
    """Documents with texts of their own."""
    return [Document(f"d{i}", " ".join(f"w{i}" for _ in range(words))) for i in range(count)]


def stored(collection):
    """All documents of a collection by id."""
    return {document.id: document for document in collection.page(limit=100_000).documents}


def no_pipeline_threads():
    """Whether no step of a run is still going."""
    names = {thread.name for thread in threading.enumerate()}
    return not names & {"read", "prepare", "embed", "write"}


def test_what_is_read_is_stored_and_counted(collection, embedder):
    """Documents, rejections and empty texts each have their number."""
    rejected = []
    given = [*documents(3), Rejection("f:4", "no text"), Document("empty", "")]
    summary = ingest(collection, embedder, read(*given), on_reject=rejected.append)
    assert stored(collection) == {d.id: d for d in given if isinstance(d, Document)}
    assert rejected == [Rejection("f:4", "no text")]
    counts = (summary.written, summary.unchanged, summary.amended, summary.rejected, summary.empty)
    assert counts == (4, 0, 0, 1, 1)
    assert (summary.chunks, summary.tokens) == (4, 15)


def test_a_document_that_is_stored_already_is_neither_embedded_nor_written(collection, embedder):
    """A second run over the same input changes nothing."""
    ingest(collection, embedder, read(*documents(20)))
    before, puts = embedder.embedded, len(collection.puts)
    summary = ingest(collection, embedder, read(*documents(20)))
    assert (summary.unchanged, summary.written, summary.tokens) == (20, 0, 0)
    assert embedder.embedded == before
    assert len(collection.puts) == puts
    assert not collection.amends


def test_new_metadata_is_written_without_embedding(collection, embedder):
    """Only the content decides the vector."""
    old, new = Document("a", "text", None, {"v": 1}), Document("a", "text", None, {"v": 2})
    ingest(collection, embedder, read(old))
    before = embedder.embedded
    summary = ingest(collection, embedder, read(new))
    assert (summary.amended, summary.written, embedder.embedded) == (1, 0, before)
    assert stored(collection) == {"a": new}


def test_of_two_documents_with_one_id_the_later_is_kept(collection, embedder):
    """Counted as if one came after the other, although only the last is embedded."""
    first, second = Document("a", "first"), Document("a", "second")
    summary = ingest(collection, embedder, read(first, second, second))
    assert (summary.written, summary.unchanged, summary.repeated) == (2, 1, 2)
    assert stored(collection) == {"a": second}


def test_a_document_is_compared_with_what_is_on_its_way(collection, embedder):
    """The stored text comes again while another text for its id is being embedded: it is kept."""
    old, new = Document("a", "old"), Document("a", "new")
    ingest(collection, embedder, read(old))
    embedder.go.clear()
    already = embedder.tokenized

    def reads():
        yield Read(new, 1)
        while embedder.tokenized == already:  # the new text is on its way now
            threading.Event().wait(0.01)
        yield Read(old, 2)
        yield Read(replace(old, metadata={"v": 1}), 3)
        embedder.go.set()

    summary = ingest(collection, embedder, reads())
    assert stored(collection) == {"a": replace(old, metadata={"v": 1})}
    assert (summary.written, summary.amended, summary.unchanged) == (2, 1, 0)


def test_committed_documents_are_the_first_ones_and_durable(collection, embedder):
    """Whoever hears of so many committed documents finds them in the collection."""
    given = documents(9_000)
    heard = []

    def check(progress):
        heard.append(progress)
        found = collection.get([document.id for document in given[: progress.committed]])
        assert found == given[: progress.committed]
        assert progress.last_id == given[progress.committed - 1].id

    ingest(collection, embedder, read(*given), on_progress=check, window_seconds=1e-6)
    assert len(heard) > len(given) // WRITE_CHUNKS
    assert [one.committed for one in heard] == sorted({one.committed for one in heard})
    assert heard[-1].committed == 9_000
    assert heard[-1].consumed == 90_000


def interrupting(embedder, heard):
    """A report that interrupts the run at once, while the model waits with most of the input."""
    embedder.free, embedder.embedded = 100, 0
    embedder.go.clear()

    def interrupt(progress):
        heard.append(progress)
        if len(heard) == 1:
            embedder.go.set()
            raise KeyboardInterrupt

    return interrupt


def test_an_interrupt_writes_what_is_embedded_and_is_raised_again(collection, embedder):
    """After it the collection holds the first documents of the input, as the last report said."""
    given = documents(3000, words=200)
    heard = []
    with pytest.raises(KeyboardInterrupt):
        ingest(
            collection,
            embedder,
            read(*given),
            on_progress=interrupting(embedder, heard),
            window_seconds=1e-6,
        )
    assert 100 <= heard[-1].committed < 3000
    assert heard[-1].chunks == embedder.embedded
    assert list(stored(collection).values()) == given[: heard[-1].committed]
    assert no_pipeline_threads()


def test_an_interrupted_run_goes_on_where_it_was(collection, embedder):
    """The same input again embeds only what is not there yet."""
    given = documents(3000, words=200)
    with pytest.raises(KeyboardInterrupt):
        ingest(
            collection,
            embedder,
            read(*given),
            on_progress=interrupting(embedder, []),
            window_seconds=1e-6,
        )
    there = len(stored(collection))
    summary = ingest(collection, embedder, read(*given))
    assert 100 <= there < 3000
    assert (summary.unchanged, summary.written) == (there, 3000 - there)


def test_an_error_of_reading_is_raised_after_what_was_read_is_stored(collection, embedder):
    """Nothing that was read before it is lost."""

    def reads():
        yield from read(*documents(50))
        raise Unreadable("the disk is gone")

    with pytest.raises(Unreadable, match="the disk is gone"):
        ingest(collection, embedder, reads())
    assert list(stored(collection).values()) == documents(50)
    assert no_pipeline_threads()


def test_an_error_of_writing_stops_reading(collection, embedder):
    """A full disk ends the run at once, however much input there is."""

    def endless():
        for number in range(10**9):
            yield Read(Document(f"d{number}", "text"), number)

    with (
        FullCollection(LocalEngine(collection.folder)) as full,
        pytest.raises(StorageFailed, match="no space"),
    ):
        ingest(full, embedder, endless())
    assert no_pipeline_threads()


def test_an_error_of_the_caller_stops_the_run(collection, embedder):
    """What on_progress raises reaches whoever called."""

    def fail(progress):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        ingest(collection, embedder, read(*documents(10)), on_progress=fail)
    assert no_pipeline_threads()


def test_reading_does_not_run_far_ahead_of_embedding(collection, embedder):
    """Memory is bounded: while the model is busy, reading stops after so many tokens and texts."""
    embedder.go.clear()
    text = "word " * 2_000
    most = (READ_AHEAD_CHARACTERS + PREPARE_CHARACTERS) // len(text) + PREPARED_TOKENS // 2_000
    taken = 0

    def reads():
        nonlocal taken
        for taken in range(2 * most):
            yield Read(Document("same id", text), taken)

    def let_go_when_reading_has_stopped():
        seen = -1
        while seen != taken:
            seen = taken
            threading.Event().wait(1.0)
        stopped_at.append(seen)
        embedder.go.set()

    stopped_at = []
    thread = threading.Thread(target=let_go_when_reading_has_stopped)
    thread.start()
    summary = ingest(collection, embedder, reads())
    thread.join()
    assert stopped_at[0] <= most + 10
    assert (summary.written, summary.unchanged) == (1, 2 * most - 1)


def test_a_text_without_a_direction_is_rejected_and_the_others_are_stored(collection, embedder):
    """Its document is named."""
    rejected = []
    given = [*documents(5), Document("nowhere", "zero"), Document("z", "one")]
    summary = ingest(collection, embedder, read(*given), on_reject=rejected.append)
    assert [one.place for one in rejected] == ["nowhere"]
    assert "nowhere" not in stored(collection)
    assert (summary.written, summary.rejected) == (6, 1)


def test_a_run_is_done_with_all_that_it_has_read(collection, embedder):
    """Documents that are embedded, unchanged, repeated, empty or rejected all count in the end."""
    same = Document("same", "one two three")
    ingest(collection, embedder, read(same))
    told = []
    given = [same, same, Document("empty", ""), Rejection("d", "no reason")]
    given += [*documents(200, words=40), Document("nowhere", "zero")]
    ingest(collection, embedder, read(*given), on_progress=told.append, window_seconds=0)
    assert [one.done_tokens for one in told] == sorted(one.done_tokens for one in told)
    assert all(one.read_tokens >= one.done_tokens for one in told)
    assert told[-1].done_tokens == told[-1].read_tokens > 200 * 40
    assert told[-1].read_bytes == told[-1].consumed == 10 * len(given)


def test_chunks_have_the_vectors_of_their_contents(embedder):
    """A long document's vectors are those of heading and passage, embedded as texts."""
    document = Document("a", "Some words here. " * 300, "A title")
    (embedded,) = embed_documents(embedder, [document])
    top = heading(document, embedder.tokenize([document.content])[0], embedder.room)
    contents = [chunk_content(document, one, top) for one in embedded.chunks]
    assert len(contents) > 1
    expected = embedder.embed(contents)
    assert not expected.truncated
    np.testing.assert_array_equal(embedded.vectors, expected.vectors)


def test_chunks_shrink_until_none_is_truncated():
    """What a chunk takes by itself decides."""
    with Optimist() as embedder:
        (embedded,) = embed_documents(embedder, [Document("a", "word " * 1000)])
        texts = [embedded.document.text[one.start : one.end] for one in embedded.chunks]
        assert not any(one.truncated for one in embedder.tokenize(texts))
    assert not embedded.truncated


def test_documents_that_say_nothing_to_the_model_are_named(collection, embedder):
    """By a passage of theirs, as it is embedded: with the title in front."""
    documents = [
        Document("a", "---"),
        Document("b", "---", "A title"),
        Document("c", ""),
        Document("d", "words " * 300 + "\n\n" + "- " * 300),
    ]
    summary = ingest(collection, embedder, read(*documents))
    assert summary.unknown == ("a", "c", "d")
    assert collection.describe().unknown == 3
    again = ingest(collection, embedder, read(*documents))
    assert (again.unchanged, again.unknown) == (4, ())


def test_a_title_that_is_cut_counts_as_truncated(collection, embedder):
    """A part of it is not embedded, and that is said."""
    summary = ingest(collection, embedder, read(Document("a", "text", "title " * 500)))
    assert summary.truncated == ("a",)
    assert collection.describe().truncated == 1


def test_embedding_names_the_document_without_a_direction(embedder):
    """Not only its place among the texts."""
    with pytest.raises(InvalidVector, match="'nowhere'"):
        embed_documents(embedder, [Document("a", "x"), Document("nowhere", "zero")])


def test_storing_embeds_only_what_is_new(collection, embedder):
    """New, changed, amended and unchanged documents in one call."""
    store(collection, embedder, [Document("same", "s"), Document("more", "m"), Document("b", "b")])
    before = embedder.embedded
    given = [
        Document("same", "s"),
        Document("more", "m", None, {"v": 1}),
        Document("b", "another", "title " * 500),
        Document("new", "n"),
    ]
    assert store(collection, embedder, given) == Stored(2, 1, 1, ("b",))
    assert embedder.embedded == before + 2
    assert stored(collection) == {document.id: document for document in given}


def test_a_document_deleted_before_its_metadata_arrives_is_stored_again(collection, embedder):
    """Another writer may come in between comparing and writing."""
    store(collection, embedder, [Document("a", "text")])
    amended = Document("a", "text", None, {"v": 1})
    with ContestedCollection(LocalEngine(collection.folder)) as contested:
        assert store(contested, embedder, [amended]).amended == 1
        assert stored(contested) == {"a": amended}


def test_a_channel_gives_what_waits_up_to_a_weight():
    """At least one item, however heavy; the rest stays for the next time."""
    channel = Channel(100, len)
    for item in ("aaaa", "b", "cc", "d"):
        channel.put(item)
    assert channel.take(3) == ["aaaa"]
    assert channel.take(3) == ["b", "cc"]
    channel.finish()
    assert channel.take(3) == ["d"]
    assert channel.take(3) == []


def test_a_channel_raises_its_error_after_its_items():
    """What came before the error is not lost."""
    channel = Channel(100, len)
    channel.put("a")
    channel.finish(Unreadable("gone"))
    assert channel.take(9) == ["a"]
    with pytest.raises(Unreadable, match="gone"):
        channel.take(9)


def test_putting_waits_for_place_and_is_told_when_nobody_takes():
    """A full channel holds its producer back; a closed one lets it go."""
    channel = Channel(3, len)
    channel.put("aaa")
    outcome = []

    def put():
        try:
            channel.put("b")
        except Closed:
            outcome.append("closed")

    thread = threading.Thread(target=put)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    channel.close()
    thread.join(30)
    assert outcome == ["closed"]
    assert channel.take(9) == []
