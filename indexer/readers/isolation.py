"""A separate process for files that may be hostile: bombs, endless loops, crashes.

The process is this file, run as a program: it limits itself, loads the file of an extractor, calls
its ``report(file, **options)`` with the input, and writes each item as a line of JSON. The input is
passed as an open standard input; the process needs no path and writes no file. Only the standard
library is imported here, so that it starts fast; for the same reason extractors import nothing at
their top that needs NumPy.

This is separate from ``indexer.subprocess_job``, which runs trusted functions beside searches,
reports progress and can be asked to stop. A process here gets an open file and nothing else, is
held to limits and killed, and what it wrote before counts.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Timer
from types import ModuleType
from typing import Any, BinaryIO, Final

END: Final = {"end": True}
"""The last line of a process that finished."""

LONG: Final = "a part of it is too long"
MAX_REASON: Final = 300
"""Characters of a reason; a library's message may quote the file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The resources the process may use; memory is its address space, output its JSON."""

    memory_bytes: int = 2**30
    cpu_seconds: int = 60
    wall_seconds: int = 300
    output_bytes: int = 128 * 2**20
    step_seconds: int = 20
    """Processor time of each step, for an extractor that sets itself an alarm (SIGPROF)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The items that an extractor reported, and the reason it was stopped, if it was.

    ``died`` says that no overall limit was hit: reading may be tried again without the last step.
    """

    lines: tuple[Mapping[str, Any], ...]
    problem: str | None
    died: bool = False


def run_isolated(extractor: Path, file: BinaryIO, limits: Limits, **options: Any) -> Outcome:  # noqa: ANN401
    """The items of ``report`` in the file ``extractor`` for an open file, within the limits."""
    given = map(json.dumps, (asdict(limits), options))
    command = [sys.executable, "-P", __file__, str(extractor), *given]
    late = Event()
    with _started(command, file) as process, _deadline(process, limits.wall_seconds, late):
        assert process.stdout is not None
        output = process.stdout.read(limits.output_bytes)
        process.stdout.close()  # a process with more to write ends here
        code = process.wait()
    lines = [json.loads(line) for line in output.splitlines(keepends=True) if line[-1:] == b"\n"]
    if lines and lines[-1] == END:
        return Outcome(tuple(lines[:-1]), None)
    if lines and "stopped" in lines[-1]:
        return Outcome(tuple(lines[:-1]), lines[-1]["stopped"])
    if late.is_set():
        return Outcome(tuple(lines), f"stopped after {limits.wall_seconds} s")
    if len(output) == limits.output_bytes:
        return Outcome(tuple(lines), f"stopped at {limits.output_bytes:,} bytes of text")
    problem, died = _death(code, limits)
    return Outcome(tuple(lines), problem, died)


def stream_isolated(
    extractor: Path,
    file: BinaryIO,
    limits: Limits,
    **options: Any,  # noqa: ANN401
) -> Iterator[Mapping[str, Any]]:
    """The items of ``report`` as they come, for more than fits the memory; raises Stopped.

    ``wall_seconds`` bounds the wait for each item, ``output_bytes`` the length of one. The process
    waits while nobody asks for the next, and ends with the iteration.
    """
    given = map(json.dumps, (asdict(limits), options))
    command = [sys.executable, "-P", __file__, str(extractor), *given]
    late = Event()
    with _started(command, file) as process:
        output = process.stdout
        assert output is not None
        while True:
            with _deadline(process, limits.wall_seconds, late):
                line = output.readline(limits.output_bytes)
            if late.is_set():
                raise Stopped(f"stopped after {limits.wall_seconds} s")
            if not line.endswith(b"\n"):
                long = len(line) == limits.output_bytes
                raise Stopped(LONG if long else _death(process.wait(), limits)[0])
            item = json.loads(line)
            if item == END:
                return
            if "stopped" in item:
                raise Stopped(item["stopped"])
            yield item


class Stopped(Exception):
    """The process was stopped, or gave up; the message says why."""


@contextmanager
def _started(command: list[str], file: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    # In a session of its own, so that Ctrl-C reaches only the parent, which handles it.
    with subprocess.Popen(  # noqa: S603 - the program is this very file
        command,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": ""},  # so that a hostile file can start no other program
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float, late: Event) -> Iterator[None]:
    def stop() -> None:
        late.set()
        process.kill()

    timer = Timer(seconds, stop)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _death(code: int, limits: Limits) -> tuple[str, bool]:
    """The reason a process ended, and whether a single step of its work was to blame."""
    if code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)) and code:
        return f"stopped after {limits.cpu_seconds} s of computing", False
    if code == -getattr(signal, "SIGPROF", 0) and code:
        return f"given up after {limits.step_seconds} s of computing", True
    if code < 0:
        return f"reading it crashed ({signal.Signals(-code).name})", True
    return f"reading it failed (exit code {code})", True


def main(extractor: str, encoded_limits: str, encoded_options: str) -> None:
    """Run an extractor on standard input; its report goes to standard output."""
    limits = Limits(**json.loads(encoded_limits))
    sys.path.append(str(Path(__file__).parents[2]))
    _spare_readers()
    report = runpy.run_path(extractor)["report"]
    _limit(limits)
    try:
        with os.fdopen(0, "rb", closefd=False) as file:
            file.seek(0)
            for line in report(file, **json.loads(encoded_options)):
                _write(line)
        _write(END)
    except MemoryError:
        _write({"stopped": f"needs more than {limits.memory_bytes / 1e6:,.0f} MB of memory"})
    except RecursionError:
        _write({"stopped": "nested too deeply"})
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is the report
        _write({"stopped": (str(error) or type(error).__name__)[:MAX_REASON]})


def _spare_readers() -> None:
    """Let an extractor import modules of readers without the table of all formats."""
    package = ModuleType("indexer.readers")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[package.__name__] = package


def _limit(limits: Limits) -> None:
    try:
        import resource
    except ImportError:  # not on Windows: there the deadline alone protects
        return
    seconds = limits.cpu_seconds
    for kind, soft, hard in (
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds, seconds + 5),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        with suppress(ValueError):  # macOS knows no limit of memory: there the deadline protects
            resource.setrlimit(kind, (soft, hard))


def _write(line: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
