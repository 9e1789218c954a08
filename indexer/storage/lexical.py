"""Words and BM25 by Tantivy: how texts become words, and an inverted index over them.

Nothing of Tantivy is known elsewhere. An index holds for each document its number and its words
with their frequencies, neither texts nor positions; it knows nothing of the store it stands for.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import tempfile
import time
import unicodedata
import weakref
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeAlias

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import Filter, Occur, Query, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from indexer.collection import Language
from indexer.errors import Damaged, StorageFailed

Numbers: TypeAlias = NDArray[np.int64]
"""(n,) int64, numbers of documents."""

Scores: TypeAlias = NDArray[np.float64]
"""(n,) float64, BM25 scores."""

Bag: TypeAlias = Mapping[str, float]
"""Words with their weights."""

K1: Final = 1.2
B: Final = 0.75
MOST_WORD_BYTES: Final = 80
"""Longer words, which are none, are left out."""

MOST_NEW_WORDS: Final = 1_024
MOST_WORDS: Final = 256
"""Of the first so many different words of a query, so many of the rarest are searched for."""

WRITER_BYTES: Final = 48_000_000
LOCK_SECONDS: Final = 2.0
"""How long a lock that nobody should hold is waited for."""

_POLL_SECONDS: Final = 0.01
_META: Final = "meta.json"
_KINDS: Final = ("idx", "pos", "term", "fieldnorm", "fast", "store")
"""The files of a segment; one with deleted documents has another."""

_TEXT: Final = "text"
_NUMBER: Final = "number"
_TOKENIZER: Final = "words"
_MAGIC: Final = 1337
_FOOTER: Final = struct.Struct("<II")
_READ_BYTES: Final = 1 << 20

_UNSPACED: Final = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Yi}"
)
_WORD: Final = rf"[{_UNSPACED}]|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"
"""A run of letters, digits and marks; in scripts without spaces between words, each character."""

_ENGLISH_FUNCTION_WORDS: Final = """
a about above after again against all am an and any are as at be because been before being
below between both but by can could d did do does doing down during each few for from
further had has have having he her here hers herself him himself his how i if in into is it
its itself just ll m me more most my myself no nor not now of off on once only or other
ought our ours ourselves out over own re s same she should so some such t than that the
their theirs them themselves then there these they this those through to too under until up
ve very was we were what when where which while who whom why will with would you your yours
yourself yourselves
"""
_WITHOUT_LIST: Final = frozenset(
    {
        Language.NONE,
        Language.ARABIC,
        Language.GREEK,
        Language.ROMANIAN,
        Language.TAMIL,
        Language.TURKISH,
    }
)


@contextmanager
def _translated(place: object) -> Iterator[None]:
    """Tantivy's errors and panics as ours; an index is derived, so Damaged means: build it anew."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise Damaged(f"the index of words in {place}: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, of no importable type
            raise
        raise Damaged(f"the index of words in {place}: {error}") from error


class Analyzer:
    """Texts to words: lower case, without accents, stemmed by a language's rules."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.tantivy = _chain(language, None)
        self._contents = _chain(language, _function_words(language))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        found: list[str] = self.tantivy.analyze(_unified(text))
        return found

    def asked(self, text: str) -> Bag:
        """The words that a query asks for, with how often it says them.

        Words such as "the" are left out, unless there are no others; and of a very long query
        all but its first different words.
        """
        unified = _unified(text)
        counts = Counter(self._contents.analyze(unified) or self.tantivy.analyze(unified))
        return {word: float(counts[word]) for word in list(counts)[:MOST_NEW_WORDS]}


def _chain(language: Language, dropped: Filter | None) -> TextAnalyzer:
    builder = TextAnalyzerBuilder(Tokenizer.regex(_WORD))
    builder = builder.filter(Filter.remove_long(MOST_WORD_BYTES)).filter(Filter.lowercase())
    if dropped is not None:
        builder = builder.filter(dropped)
    if language in (Language.NONE, Language.ENGLISH):
        builder = builder.filter(Filter.ascii_fold())
    if language is not Language.NONE:
        builder = builder.filter(Filter.stemmer(language.value))
    # other languages' stemmers know the accents of theirs, so these go last
    return builder.filter(Filter.ascii_fold()).build()


def _function_words(language: Language) -> Filter | None:
    if language is Language.ENGLISH:  # Tantivy's own list has 33 words, and lacks "what" or "how"
        return Filter.custom_stopword(_ENGLISH_FUNCTION_WORDS.split())
    return None if language in _WITHOUT_LIST else Filter.stopword(language.value)


def _unified(text: str) -> str:
    """One spelling for what looks the same: composed accents, ligatures, full-width letters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def idf(count: int, holding: int) -> float:
    """How much a word that ``holding`` of ``count`` documents hold is worth (as in Lucene)."""
    return math.log(1.0 + (count - holding + 0.5) / (holding + 0.5))


def saturated(frequency: float, length: float, mean_length: float) -> float:
    """What a word's frequency in a document of so many words counts: (k1 + 1) at most.

    Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009.
    """
    return (K1 + 1) * frequency / (frequency + K1 * (1 - B + B * length / mean_length))


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 needs to know of an index: documents, and the mean of their words."""

    documents: int
    mean_length: float


class Postings:
    """An index as of one commit, to be searched from any thread."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher, place: object) -> None:
        self._schema = schema
        self._searcher = searcher
        self._place = place
        self._statistics: Statistics | None = None

    @property
    def documents(self) -> int:
        """How many there are."""
        return int(self._searcher.num_docs)

    def holding(self, word: str) -> int:
        """How many documents hold a word; those deleted lately may count."""
        with _translated(self._place):
            return int(self._searcher.doc_freq(_TEXT, word))

    def statistics(self, word: str) -> Statistics:
        """What its scores are computed with, read off the explanation of a hit for a word."""
        if self._statistics is None:
            with _translated(self._place):
                query = Query.term_query(self._schema, _TEXT, word, "freq")
                hits = self._searcher.search(query, 1, count=False).hits
                if not hits:
                    return Statistics(self.documents, 0.0)
                told = json.loads(query.explain(self._searcher, hits[0][1]).to_json())
            facts = dict(_facts(told))
            self._statistics = Statistics(
                int(facts["N, total number of docs"]), facts["avgdl, average length of field"]
            )
        return self._statistics

    def best(self, words: Bag, count: int) -> tuple[Numbers, Scores]:
        """The best documents that hold a word, best first; fewer if there are fewer."""
        return self._found(self._either(words), count)

    def score(self, words: Bag, numbers: Sequence[int]) -> tuple[Numbers, Scores]:
        """Those of some documents that hold a word, best first."""
        either = [
            (Occur.Should, Query.const_score_query(self._numbered(number), 0.0))
            for number in numbers
        ]
        query = Query.boolean_query(
            [(Occur.Must, Query.boolean_query(either)), (Occur.Must, self._either(words))]
        )
        return self._found(query, len(numbers))

    def _either(self, words: Bag) -> Query:
        return Query.boolean_query(
            [
                (
                    Occur.Should,
                    Query.boost_query(Query.term_query(self._schema, _TEXT, word, "freq"), weight),
                )
                for word, weight in words.items()
            ]
        )

    def _numbered(self, number: int) -> Query:
        return Query.term_query(self._schema, _NUMBER, number)

    def _found(self, query: Query, count: int) -> tuple[Numbers, Scores]:
        if count < 1:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        with _translated(self._place):
            hits = self._searcher.search(query, count, count=False).hits
            numbers = self._searcher.fast_field_values(_NUMBER, [place for _, place in hits])
        return np.array(numbers, dtype=np.int64), np.array([s for s, _ in hits], dtype=np.float64)


def _facts(told: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """The descriptions and values of an explanation and of all under it."""
    yield str(told["description"]), float(str(told["value"]))
    details = told.get("details")
    for inner in details if isinstance(details, list) else ():
        yield from _facts(inner)


class Inverted:
    """An index in a folder, or in memory."""

    def __init__(self, index: tantivy.Index, place: object, mirror: _Mirror | None = None) -> None:
        self._index = index
        self._place = place
        self._mirror = mirror

    @classmethod
    def create(cls, folder: Path | None, analyzer: Analyzer) -> Self:
        """A new one without documents, in a folder that is empty, or in memory."""
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(_TEXT, tokenizer_name=_TOKENIZER, index_option="freq")
        builder.add_unsigned_field(_NUMBER, indexed=True, fast=True)
        with _translated(folder):
            path = None if folder is None else str(folder)
            index = tantivy.Index(builder.build(), path, reuse=False)
            index.register_tokenizer(_TOKENIZER, analyzer.tantivy)
            return cls(index, folder or "memory")

    @classmethod
    def open(cls, folder: Path, analyzer: Analyzer) -> Self:
        """The one in a folder; raises Damaged unless all its files are what was written."""
        check_files(folder)
        with _translated(folder):
            writable = os.access(
                folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids
            )
            mirror = None if writable else _Mirror(folder)
            index = tantivy.Index.open(str(mirror.path if mirror else folder))
            index.config_reader("manual")
            index.register_tokenizer(_TOKENIZER, analyzer.tantivy)
            return cls(index, folder, mirror)

    def postings(self) -> Postings:
        """It as of its last commit."""
        with _translated(self._place):
            if self._mirror is not None:
                self._mirror.follow()
            self._index.reload()
            return Postings(self._index.schema, self._index.searcher(), self._place)

    @contextmanager
    def changing(self) -> Iterator[Changes]:
        """Changes, durable and to be seen when this ends; raises StorageFailed if they cannot be.

        One at a time, on one thread besides the caller's.
        """
        try:
            with _translated(self._place):
                writer = self._writer()
                yield Changes(writer, self._index.schema)
                writer.commit()
                writer.wait_merging_threads()
        except Damaged as error:
            raise StorageFailed(f"cannot write {error}") from error

    def _writer(self) -> tantivy.IndexWriter:
        """The only one there may be.

        The last one's lock can outlive it by a moment: a process that is just being started from
        this one has inherited the locked file, until it becomes its own program.
        """
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return self._index.writer(WRITER_BYTES, 1)
            except ValueError as error:
                if "LockBusy" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(_POLL_SECONDS)


class _Mirror:
    """Links to the files of a folder that may only be read.

    Tantivy locks what it reads by files beside it, so there must be a place for these.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.path = Path(tempfile.mkdtemp(prefix="bearing-words-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self.follow()

    def follow(self) -> None:
        """Link to what has come since."""
        for file in self._folder.iterdir():
            with suppress(FileExistsError):
                if file.suffix != ".lock":
                    (self.path / file.name).symlink_to(file)


class Changes:
    """What is put into an index, or taken out of it."""

    def __init__(self, writer: tantivy.IndexWriter, schema: tantivy.Schema) -> None:
        self._writer = writer
        self._schema = schema

    def remove(self, numbers: Sequence[int]) -> None:
        """Take out documents; those that are not in it are none."""
        # not by term: tantivy-py 0.27 takes a number there for a signed one, and finds none
        for number in numbers:
            query = Query.term_query(self._schema, _NUMBER, number)
            self._writer.delete_documents_by_query(query)

    def add(self, documents: Iterable[tuple[int, str]]) -> None:
        """Put in documents by number and content, which must not be in it."""
        for number, content in documents:
            document = tantivy.Document()
            document.add_text(_TEXT, _unified(content))
            document.add_unsigned(_NUMBER, number)
            self._writer.add_document(document)


def check_files(folder: Path) -> None:
    """Raise Damaged, naming the file, unless each file is there and what its checksum says."""
    try:
        for segment in json.loads((folder / _META).read_bytes())["segments"]:
            name, deletes = segment["segment_id"].replace("-", ""), segment["deletes"]
            kinds = [*_KINDS, *([f"{deletes['opstamp']}.del"] if deletes else [])]
            for kind in kinds:
                _check_file(folder / f"{name}.{kind}")
    except FileNotFoundError as error:
        raise Damaged(f"{error.filename} is missing") from error
    except OSError as error:
        raise Damaged(f"{folder} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise Damaged(f"{folder}: it is not what was written ({error})") from error


def _check_file(path: Path) -> None:
    """Each file of Tantivy ends with a checksum in JSON, the length of that, and a magic number."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _FOOTER.size))
        length, magic = _FOOTER.unpack(file.read(_FOOTER.size))
        if magic != _MAGIC:
            raise Damaged(f"{path} was cut")
        body = size - _FOOTER.size - length
        file.seek(body)
        expected = json.loads(file.read(length))["crc"]
        file.seek(0)
        crc = 0
        while body > 0:
            part = file.read(min(body, _READ_BYTES))
            crc, body = zlib.crc32(part, crc), body - len(part)
    if crc != expected:
        raise Damaged(f"{path} is not what was written")


def meta_checksum(folder: Path) -> int:
    """What tells one commit of the index in a folder from another; -1 if there is none."""
    try:
        return zlib.crc32((folder / _META).read_bytes())
    except OSError:
        return -1
