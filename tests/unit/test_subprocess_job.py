"""Work that another process does, by functions of a module that it alone imports."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from local import create_local
from samples import make_identity

from indexer.background_task import NICENESS
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import InvalidInput, MissingExtra, StorageFailed
from indexer.queries import Mode, Query
from indexer.storage.lexical.index_sync import LexicalIndex
from indexer.storage.sqlite.store import Store
from indexer.subprocess_job import run_in_subprocess
from indexer.thresholds import DEFAULT

FEW = replace(DEFAULT, subprocess_documents=500)
"""By which another process indexes words of so few documents already."""

WORK = """
import os, pathlib, time
from indexer.errors import InvalidInput, MissingExtra
from indexer.subprocess_job import say

def tell(job, given):
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return {"job": job, "given": len(given), "pid": os.getpid(), "nice": nice}

def refuse(job, given):
    raise MissingExtra("openTSNE", "map") if job else InvalidInput("not this")

def report(job, given):
    print("a library's own words")
    for step in range(3):
        say({"step": step})
    return {"threads": os.environ["OMP_NUM_THREADS"], "much": "x" * 200_000}

def vanish(job, given):
    os._exit(7)

def stay(job, given):
    pathlib.Path(job["started"]).write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module ``work``, which other processes find."""
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def put_words(collection: Collection) -> None:
    """As many documents of one word as another process is worth."""
    vector = make_identity().canaries[:1]
    collection.put(
        EmbeddedDocument(Document(str(i), f"word{i}"), (Chunk(0, 0, 5),), vector)
        for i in range(FEW.subprocess_documents)
    )


@pytest.mark.usefixtures("work")
def test_an_answer_comes_from_another_process_that_gives_way() -> None:
    """The function is called with the job and what was given, elsewhere, at a low priority."""
    told = run_in_subprocess("work:tell", {"a": [1, "ü"]}, b"x" * 100_000)
    assert told["job"] == {"a": [1, "ü"]}
    assert told["given"] == 100_000
    assert told["pid"] != os.getpid()
    assert told["nice"] == max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))


@pytest.mark.usefixtures("work")
def test_an_error_there_is_raised_here() -> None:
    """As the error that it is; a process that ends without a word is a failure."""
    with pytest.raises(InvalidInput, match="not this"):
        run_in_subprocess("work:refuse", {})
    with pytest.raises(MissingExtra, match=r"\[map\]"):
        run_in_subprocess("work:refuse", {"extra": True})
    with pytest.raises(StorageFailed, match=r"the process of work:vanish ended with 7"):
        run_in_subprocess("work:vanish", {})


@pytest.mark.usefixtures("work")
def test_what_is_said_on_the_way_is_heard() -> None:
    """In order, whatever else is printed; an answer may be long."""
    heard: list[object] = []
    told = run_in_subprocess(
        "work:report", {}, threads=3, tell=lambda step: heard.append(step["step"])
    )
    assert heard == [0, 1, 2]
    assert told == {"threads": "3", "much": "x" * 200_000}


def test_work_that_is_to_stop_ends_at_once(work: Path) -> None:
    """The process is gone, long before it is done."""
    stopping, started = threading.Event(), work / "started"

    def stop() -> None:
        while not (started.exists() and started.read_text()):
            time.sleep(0.01)
        stopping.set()

    threading.Thread(target=stop).start()
    with pytest.raises(StorageFailed, match="ended with 1"):
        run_in_subprocess("work:stay", {"started": str(started)}, stopping=stopping)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_many_late_words_are_put_into_the_index_by_another_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """None is late then, and nothing kept the process from it."""
    caplog.set_level(logging.DEBUG, "indexer.storage.lexical.index_sync")
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put_words(collection)
    shutil.rmtree(tmp_path / "c" / "lexical")
    lexical_index = LexicalIndex(tmp_path / "c", Store(tmp_path / "c" / "store.sqlite"), FEW)
    caplog.clear()
    lexical_index.catch_up()
    told = lexical_index.describe()
    assert (told["documents"], told["late_documents"]) == (FEW.subprocess_documents, 0)
    assert not caplog.messages  # which would tell that this process had to do it


def test_where_no_process_starts_words_are_found_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The index of many words is made by the process itself, which says so if asked for detail."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "no such program"))
    caplog.set_level(logging.DEBUG, "indexer")
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put_words(collection)
        collection.rebuild()
        answer = collection.search([Query(text="word77", mode=Mode.LEXICAL)])[0]
    assert [hit.document.id for hit in answer.hits] == ["77"]
    assert "no such program" in caplog.text
