"""A static model distilled from a collection's model: a vector for each token.

It learns from the vectors that the collection keeps already, so that only single tokens and some
short texts, which are more like queries, are embedded for it. Frequent words that the model's
tokenizer splits are tokens of their own. It cuts texts at as many tokens as the model.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from indexer.collection import Collection
from indexer.documents import Document, StoredVectors, Vectors
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import Embedder, TextRole, Tokens
from indexer.embedding.static.model import write_static
from indexer.embedding.tokenizer import ModelTokenizer, Setup
from indexer.errors import Conflict, InvalidInput, ModelError
from indexer.learning.card import write_card
from indexer.learning.evidence import SEEN, Seen
from indexer.learning.models import Models, write_record
from indexer.learning.split import DOCUMENTS, Part, Splitting
from indexer.learning.token_fit import RIDGE, STEPS, Bags, Fitting, Table, begin, cosines, fit
from indexer.learning.trained import Base, Figure, Trained, TrainedKind, TrainingData
from indexer.learning.word_entries import with_words
from indexer.reports import Step, Tell

METHOD: Final = "distil"
MEASURE: Final = "cosine"
"""The cosine of the student's vector of a text to the teacher's."""

PASSAGES: Final = 50_000
SENTENCES: Final = 2_000
"""The default amounts that are learnt from."""

WORDS: Final = 10_000
"""The most words that get tokens of their own."""

PAGE: Final = 500
TOGETHER: Final = 4096
"""Tokens or texts that are embedded between two signs of progress."""

SENTENCE_CHARACTERS: Final = (20, 300)
"""The lengths of sentences that are like a query."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?\u3002])\s+")


Count: TypeAlias = Callable[[Sequence[str]], Bags]
"""Counts the tokens of texts."""


@dataclass(frozen=True, slots=True)
class Distilling:
    """The amounts a student learns from: passages of the collection, and sentences of these.

    ``words`` of them get tokens of their own, at most.
    """

    passages: int = PASSAGES
    sentences: int = SENTENCES
    seed: int = 0
    words: int = WORDS
    ridge: float = RIDGE
    steps: int = STEPS


@dataclass(frozen=True, slots=True)
class Lesson:
    """Texts with the teacher's vectors, (n, d), and the documents that they are of."""

    texts: tuple[str, ...]
    vectors: Vectors
    documents: tuple[str, ...]

    def where(self, chosen: Sequence[int]) -> Lesson:
        """Those at some places."""
        return Lesson(
            tuple(self.texts[i] for i in chosen),
            self.vectors[list(chosen)],
            tuple(self.documents[i] for i in chosen),
        )

    def digest(self) -> str:
        """SHA-256 of all of it."""
        digest = hashlib.sha256(self.vectors.tobytes())
        digest.update(json.dumps([self.texts, self.documents]).encode())
        return digest.hexdigest()


def distil(
    collection: Collection,
    embedder: Embedder,
    checkpoint: Checkpoint,
    models: Models,
    name: str,
    how: Distilling,
    tell: Tell,
) -> Trained:
    """Write a static model of this name that gives texts about the vectors of the collection's.

    ``embedder`` is the collection's model and ``checkpoint`` its files. The folder appears in one
    step, or not at all. Equal collections, settings and vectors give equal models. Raises
    AlreadyExists, InvalidInput for an empty collection, ModelError for a model without a fast
    tokenizer.
    """
    start = time.monotonic()
    with models.writing(name) as folder:
        tokenizer = _tokenizer(checkpoint, embedder.room)
        taught = _gather(collection, how, tell)
        splitting = Splitting(held_out=0.05, validation=0.0, salt=f"distil {how.seed}")
        parts = [splitting.of_document(id) for id in taught.documents]
        held = taught.where([i for i, part in enumerate(parts) if part is Part.HELD_OUT])
        kept = taught.where([i for i, part in enumerate(parts) if part is Part.TRAIN])
        lesson = _with_sentences(kept, embedder, how, tell)
        if not lesson.texts:
            raise InvalidInput(f"collection {collection.name!r} has no text to learn from")
        tokenizer, words = with_words(tokenizer, lesson.texts, how.words)
        before, table, bags = _learn(lesson, embedder, tokenizer, words, how, tell)
        write_static(folder, table, tokenizer)
        trained = Trained(
            name=name,
            kind=TrainedKind.STATIC,
            method=METHOD,
            base=_base(collection, embedder),
            data=TrainingData(
                f"the documents of {collection.name!r}", lesson.digest(),
                queries=len(lesson.texts) - len(kept.texts), pairs=len(lesson.texts),
                documents=len(set(lesson.documents)),
            ),
            settings=asdict(how),
            splitting=splitting,
            figures=_figures(held, before, table, bags),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - start, 1),
        )  # fmt: skip
        write_record(folder, trained)
        write_card(folder, trained)
        Seen.of((), ()).write(folder / SEEN)  # no query, and nothing of what answers one
    return trained


def _base(collection: Collection, embedder: Embedder) -> Base:
    identity = embedder.identity
    return Base(identity.name, identity.mark, identity.dimension, collection.name)


# The lesson


def _gather(collection: Collection, how: Distilling, tell: Tell) -> Lesson:
    """About as many passages as wanted, of documents chosen by a hash of their ids."""
    identity, counted = collection.identity, collection.describe()
    chunks = counted.chunks or 0
    splitting = Splitting(
        held_out=min(how.passages / max(chunks, 1), 0.999), validation=0.0,
        salt=f"passages {how.seed}",
    )  # fmt: skip
    all_of_them = chunks <= how.passages
    texts: list[str] = []
    ids: list[str] = []
    vectors: list[Vectors] = []
    done = 0
    for page in _pages(collection):
        done += len(page)
        tell(Step("passages", done, max(counted.documents, done)))
        some = [
            one for one in page if all_of_them or splitting.of_document(one.id) is Part.HELD_OUT
        ]
        found = collection.vectors([one.id for one in some])
        for document, stored in zip(some, found, strict=True):
            if stored is not None:
                texts += _passages(document, stored)
                ids += [document.id] * len(stored.chunks)
                vectors.append(stored.vectors)
    if collection.identity is not identity:
        raise Conflict(f"collection {collection.name!r} was moved to another model meanwhile")
    width = (0, identity.dimension)
    return Lesson(tuple(texts), np.concatenate([np.empty(width, np.float32), *vectors]), tuple(ids))


def _pages(collection: Collection) -> Iterator[Sequence[Document]]:
    cursor = None
    while True:
        page = collection.page(cursor=cursor, limit=PAGE)
        yield page.documents
        cursor = page.cursor
        if cursor is None:
            return


def _passages(document: Document, stored: StoredVectors) -> list[str]:
    """The texts of a document's chunks, its title before each."""
    return [document.prefix + document.text[one.start : one.end] for one in stored.chunks]


def _with_sentences(lesson: Lesson, embedder: Embedder, how: Distilling, tell: Tell) -> Lesson:
    """The lesson, and some sentences of its texts as the teacher embeds them by themselves."""
    least, most = SENTENCE_CHARACTERS
    found = {
        sentence: id
        for text, id in zip(lesson.texts, lesson.documents, strict=True)
        for sentence in _SENTENCE_END.split(text)
        if least <= len(sentence) <= most
    }
    texts = sorted(found.keys() - set(lesson.texts))
    drawn = np.random.default_rng(how.seed).permutation(len(texts))[: how.sentences]
    chosen = [texts[place] for place in drawn]
    if not chosen:
        return lesson
    vectors = _embed_texts(embedder, "sentences", chosen, tell)
    return Lesson(
        (*lesson.texts, *chosen),
        np.concatenate([lesson.vectors, *vectors]),
        (*lesson.documents, *(found[one] for one in chosen)),
    )


def _embed_texts(embedder: Embedder, name: str, texts: Sequence[str], tell: Tell) -> list[Vectors]:
    """The teacher's vectors of texts, piece by piece."""
    return [
        embedder.embed(texts[start : start + TOGETHER]).vectors
        for start in (_steps(name, len(texts), tell) if texts else ())
    ]


def _steps(name: str, total: int, tell: Tell) -> Iterator[int]:
    """The starts of pieces of work, with progress after each."""
    for start in range(0, total, TOGETHER):
        tell(Step(name, start, total))
        yield start
    tell(Step(name, total, total))


# The tokenizer


def _tokenizer(checkpoint: Checkpoint, room: int) -> str:
    """The model's tokenizer as JSON, with no special tokens, cutting texts where the model does."""
    try:
        modules = json.loads((checkpoint.folder / "modules.json").read_bytes())
        folder = checkpoint.folder / str(modules[0].get("path", ""))
    except (OSError, ValueError, LookupError, AttributeError):
        folder = checkpoint.folder
    paths = [place / "tokenizer.json" for place in (folder, checkpoint.folder)]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        raise ModelError(
            f"model {checkpoint.name!r} has no tokenizer.json: save it with a fast tokenizer"
        )
    cut = {"direction": "Right", "max_length": room, "strategy": "LongestFirst", "stride": 0}
    fields: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return json.dumps({**fields, "truncation": cut, "padding": None, "post_processor": None})


# The fit


def _learn(
    lesson: Lesson,
    embedder: Embedder,
    tokenizer: str,
    words: Sequence[str],
    how: Distilling,
    tell: Tell,
) -> tuple[Table, Table, Count]:
    """The tokens' vectors before and after the fit, and the function that counts tokens."""
    own = ModelTokenizer(Setup(tokenizer, {}, embedder.room, embedder.identity.dimension, "", 0))
    tokens = np.concatenate(
        [
            _embed_tokens(embedder, own.size - len(words), tell),
            *_embed_texts(embedder, "words", words, tell),
        ]
    )
    count = partial(_bags, own)
    bags = count(lesson.texts)
    before = begin(tokens, bags, lesson.vectors)
    after = fit(
        before, bags, lesson.vectors, Fitting(how.ridge, how.steps),
        lambda done: tell(Step("fit", done, how.steps)),
    )  # fmt: skip
    return before, after, count


def _embed_tokens(embedder: Embedder, count: int, tell: Tell) -> Vectors:
    """The teacher's vectors of all tokens, each as if it were a text."""
    empty, probe = (one.ids.tolist() for one in embedder.tokenize(["", "a"]))
    same = [a == b for a, b in zip(empty, probe, strict=False)]
    front = same.index(False) if False in same else len(same)  # special tokens before a text
    spans = np.empty((0, 2), np.int32)
    vectors = []
    for start in _steps("tokens", count, tell):
        rows = np.tile(np.asarray([*empty[:front], 0, *empty[front:]], np.int32), (TOGETHER, 1))
        rows[:, front] = range(start, start + TOGETHER)
        texts = [Tokens(ids, spans, truncated=False) for ids in rows[: count - start]]
        vectors.append(embedder.embed(texts, TextRole.DOCUMENT).vectors)
    return np.concatenate(vectors)


def _bags(tokenizer: ModelTokenizer, texts: Sequence[str]) -> Bags:
    from scipy import sparse

    ids = [one.ids for one in tokenizer.ids(texts, TextRole.DOCUMENT)]
    ends = np.cumsum([0, *(len(one) for one in ids)])
    flat = np.fromiter(chain.from_iterable(ids), np.int32, int(ends[-1]))
    ones = np.ones(len(flat), np.float32)
    bags = sparse.csr_matrix((ones, flat, ends), shape=(len(ids), tokenizer.size))
    bags.sum_duplicates()
    return bags


def _figures(held: Lesson, before: Table, after: Table, count: Count) -> tuple[Figure, ...]:
    if not held.texts:
        return ()
    bags = count(held.texts)
    means = [float(cosines(table, bags, held.vectors).mean()) for table in (before, after)]
    return (Figure(DOCUMENTS, MEASURE, means[0], means[1], len(held.texts)),)


def free_name(models: Models, collection: str) -> str:
    """The name of a collection's student, with a number where it is taken."""
    taken = set(models.names())
    wanted = f"{collection}-static"
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *numbered) if name not in taken)
