"""Words and BM25: how texts become words, and an index of them that is not believed blindly."""

from __future__ import annotations

import fcntl
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from indexer.collection import Language
from indexer.errors import Damaged, StorageFailed
from indexer.storage.lexical import Analyzer, Inverted

ENGLISH = Analyzer(Language.ENGLISH)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Running cats", ["run", "cat"]),
        ("naïve Straße", ["naiv", "strass"]),
        (
            "e\u0301tudes \ufb01n \uff21\uff22",
            ["etud", "fin", "ab"],
        ),  # composed; a ligature; full width
        ("C++ foo_bar 3.14", ["c", "foo", "bar", "3", "14"]),
        ("東京に住む hello世界", ["東", "京", "に", "住", "む", "hello", "世", "界"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # marks belong to their words
        ("😀 !? \x00", []),
        ("x" * 1_000 + " cat", ["cat"]),
    ],
)
def test_texts_become_words(text: str, words: list[str]) -> None:
    """Lower case, without accents, stemmed; characters of scripts without spaces stand alone."""
    assert ENGLISH.words(text) == words


@pytest.mark.parametrize("language", list(Language))
def test_every_language_is_known(language: Language) -> None:
    """Each language that can be chosen has its rules; "none" leaves words as they are."""
    words = Analyzer(language).words("Running")
    assert len(words) == 1
    assert language is not Language.NONE or words == ["running"]


def test_stemmers_see_the_accents_of_their_language() -> None:
    """Accents are taken off after stemming, which needs them."""
    assert Analyzer(Language.GERMAN).words("Häuser") == Analyzer(Language.GERMAN).words("Haus")


def test_words_that_say_nothing_are_not_asked_for() -> None:
    """A query asks for its other words, with how often it says them."""
    assert ENGLISH.asked("What is the flow of the flow in a pipe?") == {"flow": 2.0, "pipe": 1.0}


def test_a_query_of_nothing_else_asks_for_them() -> None:
    """So that "to be or not to be" can be found."""
    assert ENGLISH.asked("to be or not to be") == {"to": 2.0, "be": 2.0, "or": 1.0, "not": 1.0}


@pytest.mark.parametrize("text", ["", "   ", "😀", '"(*~^', "\x00"])
def test_a_query_may_ask_for_nothing(text: str) -> None:
    """Without a word, none is asked for."""
    assert ENGLISH.asked(text) == {}


def test_operators_are_words() -> None:
    """Nothing in a query is an instruction."""
    assert set(ENGLISH.asked('+cat -dog title:"x y" AND NOT (z*')) == {
        *("cat", "dog", "titl", "x", "y", "z")
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of three documents on disk."""
    place = tmp_path / "index"
    place.mkdir()
    with Inverted.create(place, ENGLISH).changing() as changes:
        changes.add([(1, "cats run"), (2, "dogs run fast"), (3, "cats and cats")])
    return place


def found(folder: Path, text: str) -> list[int]:
    """The documents found in a folder's index, best first."""
    postings = Inverted.open(folder, ENGLISH).postings()
    return postings.best(ENGLISH.asked(text), 10)[0].tolist()


def test_what_is_committed_is_found(folder: Path) -> None:
    """By whoever opens the folder, best first."""
    assert found(folder, "the running cat") == [1, 3, 2]
    assert found(folder, "horse") == []


def test_changes_replace_and_remove(folder: Path) -> None:
    """A document that is removed and added again is found by its new words alone."""
    with Inverted.open(folder, ENGLISH).changing() as changes:
        changes.remove([1, 3, 99])
        changes.add([(1, "a horse")])
    assert found(folder, "cats") == []
    assert found(folder, "horses") == [1]


def test_a_lock_that_goes_away_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that a process holds which is just being started; one that stays is told."""
    with (folder / ".tantivy-writer.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        with Inverted.open(folder, ENGLISH).changing() as changes:
            changes.add([(4, "a horse")])
        assert found(folder, "horse") == [4]
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.setattr("indexer.storage.lexical.LOCK_SECONDS", 0.1)
        with (
            pytest.raises(StorageFailed, match="LockBusy"),
            Inverted.open(folder, ENGLISH).changing(),
        ):
            pass


def test_chosen_documents_are_scored_as_in_a_search(folder: Path) -> None:
    """Asking for the scores of documents gives those of searching for all."""
    postings, asked = Inverted.open(folder, ENGLISH).postings(), ENGLISH.asked("run cat")
    searched = dict(zip(*(part.tolist() for part in postings.best(asked, 10)), strict=True))
    numbers, scores = postings.score(asked, [3, 2, 77])
    assert dict(zip(numbers.tolist(), scores.tolist(), strict=True)) == pytest.approx(
        {number: searched[number] for number in (2, 3)}
    )


def test_every_flipped_byte_is_noticed(folder: Path, tmp_path: Path) -> None:
    """An index of which a byte is not what was written is not opened."""
    draw = np.random.default_rng(5)
    for path in sorted(folder.glob("*.*")):
        if path.name.startswith(".") or path.name == "meta.json":
            continue  # the state beside the index tells those
        written = path.read_bytes()
        for place in draw.integers(0, len(written), 6).tolist():
            copy = tmp_path / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            changed = bytearray(written)
            changed[place] ^= 1 << int(draw.integers(8))
            (copy / path.name).write_bytes(changed)
            with pytest.raises(Damaged):
                Inverted.open(copy, ENGLISH)


@pytest.mark.parametrize("size", [0, 1, 9, 60])
def test_a_cut_file_is_noticed(folder: Path, size: int) -> None:
    """So is an index whose file ends early, or is gone."""
    path = next(folder.glob("*.idx"))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        Inverted.open(folder, ENGLISH)
    path.unlink()
    with pytest.raises(Damaged):
        Inverted.open(folder, ENGLISH)
