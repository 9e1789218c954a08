"""A process that changes a collection at random and tells what it has done, to be killed.

Operations are made from a number, so that who reads the journal knows what was under way: the
journal holds their kind and number, once before an operation and once when it has returned.
"""

from __future__ import annotations

import atexit
import multiprocessing
import random
import shutil
import signal
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from local import create_local, open_local
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.embedding.embedder import Identity
from indexer.errors import BearingError
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Mode, Query
from indexer.storage.maintenance.backup import back_up, restore
from indexer.storage.maintenance.verification import verify

DIMENSIONS = {"model-a": 16, "model-b": 24}
BASE_DOCUMENTS = 1_200
SHORT_KINDS = ("put", "delete", "delete_matching", "amend", "backup")
KINDS = (*SHORT_KINDS, "rebuild", "compact", "move")
WAIT_SECONDS = 60

Open = Callable[[Path], Collection]
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["killing"])


def identity_of(model: str) -> Identity:
    """A model that exists only as vectors."""
    return replace(make_identity(DIMENSIONS[model], model), weights=model * 8)


def embed(document: Document, model: str) -> EmbeddedDocument:
    """A document with one chunk a word, and vectors that only the model and its text decide."""
    count = len(document.text.split())
    seed = zlib.crc32(f"{model} {document.text}".encode())
    chunks = tuple(Chunk(i, i, i + 1) for i in range(count))
    return EmbeddedDocument(document, chunks, random_units(count, DIMENSIONS[model], seed))


@dataclass(frozen=True)
class State:
    """What a collection holds: documents by id, and whose vectors they have."""

    model: str
    documents: dict[str, Document]


@dataclass(frozen=True)
class Operation:
    """A change, made from a kind and a number."""

    kind: str
    number: int

    @property
    def dice(self) -> random.Random:
        """Always the same throws for the same number."""
        return random.Random(self.number)

    @property
    def ids(self) -> list[str]:
        """The documents that it is about."""
        dice = self.dice
        return dice.sample([f"d{i}" for i in range(60)], dice.randint(1, 20))

    @property
    def documents(self) -> list[Document]:
        """The documents that it puts."""
        dice = self.dice
        return [
            Document(id, " ".join([f"w{self.number}"] * dice.randint(1, 3)), id, self.metadata)
            for id in self.ids
        ]

    @property
    def metadata(self) -> dict[str, object]:
        """The metadata that it leaves."""
        return {"n": self.number % 7, "tags": [str(self.number % 3), None]}

    @property
    def condition(self) -> dict[str, object]:
        """What it deletes."""
        return {"n": self.number % 7, "tags": str(self.number % 3)}

    def applied(self, state: State) -> State:
        """What it makes of a state."""
        documents = dict(state.documents)
        if self.kind == "put":
            documents |= {document.id: document for document in self.documents}
        elif self.kind == "delete":
            for id in self.ids:
                documents.pop(id, None)
        elif self.kind == "delete_matching":
            same = (self.number % 7, str(self.number % 3))
            for id, one in state.documents.items():
                if one.metadata and (one.metadata["n"], one.metadata["tags"][0]) == same:
                    del documents[id]
        elif self.kind == "amend":
            for id in documents.keys() & set(self.ids):
                documents[id] = replace(documents[id], metadata=self.metadata)
        elif self.kind == "move":
            return State(other_than(state.model), documents)
        return State(state.model, documents)

    def perform(self, collection: Collection, backups: Path) -> None:
        """Do it."""
        model = collection.identity.name
        if self.kind == "put":
            collection.put([embed(document, model) for document in self.documents])
        elif self.kind == "delete":
            collection.delete(self.ids)
        elif self.kind == "delete_matching":
            collection.delete_matching(parse_filter(self.condition))
        elif self.kind == "amend":
            there = [document for document in collection.get(self.ids) if document]
            collection.amend([replace(document, metadata=self.metadata) for document in there])
        elif self.kind == "rebuild":
            collection.rebuild(IndexChoice(IndexKind.SCAN, 0.5 + self.number % 100 / 1000))
        elif self.kind == "compact":
            collection.compact()
        elif self.kind == "move":
            move(collection, other_than(model))
        else:
            back_up(backups.parent / "things", backups / f"{self.number}.tar", lambda _: None)


def other_than(model: str) -> str:
    """The model that a move goes to."""
    return "model-b" if model == "model-a" else "model-a"


def move(collection: Collection, model: str) -> None:
    """Move a collection to another model, in steps."""
    with collection.migrate(identity_of(model)) as migration:
        done = False
        while not done:
            while documents := migration.pending(400):
                migration.put([embed(document, model) for document in documents])
            done = migration.finish()


def _base() -> list[Document]:
    return [Document(f"base{i}", f"b{i}") for i in range(BASE_DOCUMENTS)]


@cache
def _made() -> Path:
    """A collection of them, made once, which takes a hundred times as long as a copy."""
    root = Path(tempfile.mkdtemp(prefix="bearing-killing-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    with create_local(root / "things", identity_of("model-a")) as collection:
        collection.put([embed(document, "model-a") for document in _base()])
    return root / "things"


def create(root: Path) -> State:
    """A collection of some size in ``root``/things, and what it holds."""
    (root / "backups").mkdir()
    shutil.copytree(_made(), root / "things")
    return State("model-a", {document.id: document for document in _base()})


def change_until_killed(
    journal: Connection, root: Path, seed: int, kinds: Sequence[str], open_collection: Open
) -> None:
    """Operations of these kinds, each journalled before and after; an error is journalled too."""
    dice = random.Random(seed)
    try:
        with open_collection(root / "things") as collection:
            journal.send("ready")
            while True:
                operation = Operation(dice.choice(kinds), dice.randrange(2**40))
                journal.send(operation)
                operation.perform(collection, root / "backups")
                journal.send("done")
    except BearingError as error:
        journal.send(error)


@dataclass
class Journal:
    """What a killed process had acknowledged, and what it was doing."""

    done: list[Operation] = field(default_factory=list)
    doing: Operation | None = None

    def note(self, message: object) -> None:
        """Take down a message; raises the error that it is."""
        if isinstance(message, BearingError):
            raise message
        if isinstance(message, Operation):
            self.doing = message
        elif message == "done":
            assert self.doing is not None
            self.done.append(self.doing)
            self.doing = None


def kill_while_changing(
    root: Path,
    dice: random.Random,
    favoured: str,
    open_collection: Open = open_local,
) -> Journal:
    """Let a process change the collection, kill it at a random moment, read its journal.

    One kind of operation is favoured, so that kills land in the short ones too.
    """
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    kinds = [*SHORT_KINDS, *[favoured] * 30]
    process = _PROCESSES.Process(
        target=change_until_killed,
        args=(sender, root, dice.randrange(2**40), kinds, open_collection),
    )
    process.start()
    sender.close()
    journal = Journal()
    with receiver:
        if dice.random() < 0.9:  # else while it opens
            assert receiver.poll(WAIT_SECONDS)
        until = time.monotonic() + dice.uniform(0, 0.25)
        try:
            while (left := until - time.monotonic()) > 0:
                if receiver.poll(left):
                    journal.note(receiver.recv())
            process.kill()
            process.join()
            while True:
                journal.note(receiver.recv())
        except EOFError:
            pass
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise RuntimeError("it ended before it was killed: its trace is on standard error")
    return journal


class Trial:
    """A collection through many kills: each time it must be what was acknowledged."""

    def __init__(self, root: Path, seed: int, open_collection: Open = open_local) -> None:
        self.root = root
        self.landed: Counter[str] = Counter()
        self.acknowledged = 0
        self._dice = random.Random(seed)
        self._open = open_collection
        self._possible = [create(root)]
        self._backups: dict[Path, list[State]] = {}

    def kill(self, times: int) -> None:
        """Kill so often; now and then twice before anyone looks."""
        for count in range(times):
            favoured = KINDS[count % len(KINDS)]
            journal = kill_while_changing(self.root, self._dice, favoured, self._open)
            self.landed[journal.doing.kind if journal.doing else "between"] += 1
            self.acknowledged += len(journal.done)
            for operation in journal.done:
                self._acknowledge(operation)
            if journal.doing:
                self._consider(journal.doing)
            if self._dice.random() < 0.7:
                self.look()
        self.look()

    def _acknowledge(self, operation: Operation) -> None:
        if operation.kind == "backup":
            self._backups[self.root / "backups" / f"{operation.number}.tar"] = list(self._possible)
        self._possible = [operation.applied(state) for state in self._possible]

    def _consider(self, operation: Operation) -> None:
        """An operation that was under way may have come to its end, or not at all."""
        path = self.root / "backups" / f"{operation.number}.tar"
        if operation.kind == "backup" and path.exists():
            self._backups[path] = list(self._possible)
        self._possible += [operation.applied(state) for state in self._possible]

    def look(self) -> None:
        """Open it; raises AssertionError unless it is sound and holds what it must."""
        self._possible = [matching(self.root / "things", self._possible, self._dice)]
        for path, states in self._backups.items():
            restored = self.root / "restored"
            restore(path, restored, lambda _: None)
            matching(restored, states, self._dice)
            remove(restored)
            path.unlink()
        self._backups.clear()
        assert not list((self.root / "backups").glob("*.tar"))


def matching(folder: Path, possible: Iterable[State], dice: random.Random) -> State:
    """The state that the collection in a folder is in, sound in all that can be checked."""
    report = verify(folder, None, lambda _: None)
    assert report.sound, report.findings
    with open_local(folder) as collection:
        held = State(collection.identity.name, dict(all_documents(collection)))
        found = next((state for state in possible if state == held), None)
        assert found is not None, "it holds neither what was acknowledged nor one change more"
        stored = collection.vectors(list(found.documents))
        for document, own in zip(found.documents.values(), stored, strict=True):
            expected = embed(document, found.model)
            assert own is not None and own.chunks == expected.chunks
            np.testing.assert_array_equal(own.vectors, expected.vectors)
        find_itself(collection, found, dice)
        find_by_words(collection, found, dice)
    report = verify(folder, None, lambda _: None)
    assert report.sound, report.findings
    return found


def find_itself(collection: Collection, state: State, dice: random.Random) -> None:
    """A stored vector finds its document, by exact search and by the index."""
    document = dice.choice(sorted(state.documents.values(), key=lambda one: one.id))
    vector: Vectors = embed(document, state.model).vectors[0]
    for exact in (True, False):
        answer = collection.search([Query(vector=vector, k=60, exact=exact)])[0]
        assert abs(answer.hits[0].score - 1) < 1e-5
        assert document.id in [hit.document.id for hit in answer.hits if hit.score > 1 - 1e-5]
        assert len(answer.hits) == min(60, len(state.documents))


def find_by_words(collection: Collection, state: State, dice: random.Random) -> None:
    """A document is found by the words of its text, and nothing that is gone is."""
    document = dice.choice(sorted(state.documents.values(), key=lambda one: one.id))
    query = Query(text=document.text, mode=Mode.LEXICAL, k=len(state.documents) + 1)
    found = [hit.document for hit in collection.search([query])[0].hits]
    assert document in found
    assert all(one == state.documents[one.id] for one in found)


def all_documents(collection: Collection) -> Iterable[tuple[str, Document]]:
    """Every document by its id."""
    cursor = None
    while True:
        page = collection.page(cursor=cursor, limit=1000)
        yield from ((document.id, document) for document in page.documents)
        if page.cursor is None:
            return
        cursor = page.cursor


def remove(folder: Path) -> None:
    """Delete a folder with all in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
