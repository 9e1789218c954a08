"""The process of its own: whatever an extractor does, the caller gets an outcome."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import psutil
import pytest

from indexer.readers import isolation
from indexer.readers.isolation import Limits, Outcome, Stopped, run_isolated, stream_isolated

SMALL = Limits(memory_bytes=512 * 2**20, cpu_seconds=1, wall_seconds=60, output_bytes=10_000)


@pytest.fixture
def run(tmp_path: Path):
    """Run an extractor with this body on a file that holds b"input"."""

    def run_body(body: str, limits: Limits = SMALL) -> Outcome:
        extractor = tmp_path / "extractor.py"
        head = "import os, sys, time\ndef report(file):\n    yield {'first': 1}\n"
        extractor.write_text(head + indent(dedent(body), "    "))
        input_file = tmp_path / "input"
        input_file.write_bytes(b"input")
        with input_file.open("rb") as file:
            return run_isolated(extractor, file, limits)

    return run_body


FIRST = {"first": 1}


def test_all_went_well(run) -> None:
    """What the extractor yields comes back in order, without a problem."""
    outcome = run("yield {'read': file.read().decode()}")
    assert outcome == Outcome((FIRST, {"read": "input"}), None)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("while True: pass", "stopped after 1 s of computing"),
        ("x = bytearray(2**32)", "needs more than 537 MB of memory"),
        ("x = []\nwhile True: x.append(bytes(2**20))", "needs more than 537 MB of memory"),
        ("def f(): f()\nf()", "nested too deeply"),
        ("os.abort()", "reading it crashed (SIGABRT)"),
        ("os._exit(7)", "reading it failed (exit code 7)"),
        ("raise ValueError('no good')", "no good"),
        ("raise ValueError", "ValueError"),
        ("while True: yield {'more': 'x' * 100}", "stopped at 10,000 bytes of text"),
        ("with open(__file__ + '.out', 'w') as out: out.write('x')", "File too large"),
    ],
)
def test_stopped(run, body: str, problem: str) -> None:
    """Bombs, loops and crashes end the process, not the caller, and what came before is kept."""
    outcome = run(body)
    assert problem in (outcome.problem or "")
    assert outcome.lines[0] == FIRST


def test_options(tmp_path: Path) -> None:
    """An extractor gets the options that it is started with."""
    extractor = tmp_path / "extractor.py"
    extractor.write_text("def report(file, first):\n    yield {'first': first}\n")
    with extractor.open("rb") as file:
        assert run_isolated(extractor, file, SMALL, first=7) == Outcome(({"first": 7},), None)


def test_what_died_is_told_from_what_was_stopped(run) -> None:
    """A crash may be gone on behind; a limit of the whole may not."""
    assert run("os.abort()").died
    assert not run("while True: pass").died
    assert not run("raise ValueError").died


def test_sleeper(run) -> None:
    """A process that waits for ever is stopped by the clock."""
    outcome = run("time.sleep(600)", Limits(wall_seconds=1))
    assert outcome == Outcome((FIRST,), "stopped after 1 s")


def test_line_that_breaks_off(run) -> None:
    """Output that stops within a line gives the whole lines only."""
    outcome = run("sys.stdout.write('{\"half'); sys.stdout.flush(); os._exit(0)")
    assert outcome.lines == (FIRST,)
    assert outcome.problem


def test_extractor_cannot_forge_the_end(run) -> None:
    """An extractor that stops by itself after a broken yield is still reported as stopped."""
    outcome = run("yield {'bytes': b'not JSON'}")
    assert outcome.lines == (FIRST,)
    assert "bytes" in (outcome.problem or "")


def test_no_process_is_left(run) -> None:
    """After a run no child process is left behind."""
    before = psutil.Process().children(recursive=True)
    run("while True: yield {'more': 'x' * 100}")
    assert set(psutil.Process().children(recursive=True)) <= set(before)


@pytest.mark.parametrize(
    ("body", "items", "problem"),
    [
        ("yield {'more': 1}", [{"first": 1}, {"more": 1}], None),
        ("raise ValueError('no good')", [{"first": 1}], "no good"),
        ("os._exit(7)", [{"first": 1}], "exit code 7"),
        ("time.sleep(600)", [{"first": 1}], "stopped after 1 s"),
        ("yield {'more': 'x' * 20_000}", [{"first": 1}], "too long"),
    ],
)
def test_items_can_be_had_as_they_come(tmp_path: Path, body, items, problem) -> None:
    """What goes wrong comes behind them; a process that nobody reads from any more ends."""
    extractor = tmp_path / "extractor.py"
    head = "import os, time\ndef report(file):\n    yield {'first': 1}\n    "
    extractor.write_text(f"{head}{body}\n")
    given = []
    with extractor.open("rb") as file:
        stream = stream_isolated(extractor, file, Limits(wall_seconds=1, output_bytes=10_000))
        try:
            given.extend(stream)
        except Stopped as error:
            assert problem
            assert problem in str(error)
        else:
            assert problem is None
        assert given == items
        before = psutil.Process().children(recursive=True)
        begun = stream_isolated(extractor, file, Limits())
        next(begun)
        begun.close()
        assert set(psutil.Process().children(recursive=True)) <= set(before)


def test_extractors_start_without_numpy_and_the_table_of_formats() -> None:
    """Importing these would take longer than to read most files."""
    code = (
        "import runpy, sys; from pathlib import Path; from indexer.readers import isolation\n"
        "for name in [each for each in sys.modules if each.startswith(('indexer', 'numpy'))]:\n"
        "    del sys.modules[name]\n"
        "isolation._spare_readers()\n"
        "for name in sys.argv[1:]: runpy.run_path(name)['report']\n"
        "print([name for name in ('numpy', 'indexer.readers.formats') if name in sys.modules])"
    )
    names = ("word", "spreadsheets", "slides", "books", "mail", "archives", "restructured", "html")
    files = [str(Path(isolation.__file__).with_name(f"{name}.py")) for name in names]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
