"""Work in a separate process, which shares neither interpreter nor memory with searches.

In a thread, the parts of it that are Python would hold up every search in the process; and a thread
of low priority that holds the interpreter while it waits for a processor holds them up for longer.

The process gets its work, a function by module and name, and the job for it as arguments, and
bytes on standard input. The function's messages are lines of JSON on standard output, and its
answer, or an error, is the last. When standard input ends, the process that started it is gone,
and so it ends too.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from indexer import errors
from indexer.background_task import lower_priority
from indexer.errors import BearingError, StorageFailed

PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from indexer.subprocess_job import main; main(*sys.argv[2:])"
)
ROOT: Final = Path(__file__).parents[1]

_MATH_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NEVER: Final = threading.Event()
_POLL_SECONDS: Final = 0.05
_READ_BYTES: Final = 1 << 16

Job = Mapping[str, Any]
"""A JSON object."""


def run_in_subprocess(
    work: str,
    job: Job,
    given: bytes = b"",
    *,
    keep_open: Sequence[int] = (),
    stopping: threading.Event = _NEVER,
    threads: int | None = None,
    tell: Callable[[Job], None] = lambda _: None,
) -> dict[str, Any]:
    """Run a job in a process, and wait for its answer.

    ``work`` is "module:function"; the function is called with the job and with ``given``. Files
    in ``keep_open`` stay open as long as the process lives, which ends early when ``stopping`` is
    set; its libraries compute with ``threads`` threads (None: as many as they like). ``tell`` is
    called with its messages. Raises the error that it raised, StorageFailed if it ended without an
    answer, and OSError if it cannot be started: the caller then decides whether to do the work
    here, while searches wait, or to leave it.
    """
    limits = {} if threads is None else dict.fromkeys(_MATH_THREADS, str(threads))
    with subprocess.Popen(  # noqa: S603 - the program is this very file
        command(work, job, len(given)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=keep_open,
        # not reached by Ctrl-C; of the same session, since Linux may share processors by session
        process_group=0,
        env={**os.environ, **limits, "OMP_WAIT_POLICY": "passive"},  # waiting threads sleep
    ) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # its last message tells why
            process.stdin.write(given)
            process.stdin.flush()
        last: Job = {}
        for last in _heard(process, stopping):
            if "said" in last:
                tell(last["said"])
    return _answer(last, work, process.returncode)


def _heard(process: subprocess.Popen[bytes], stopping: threading.Event) -> Iterator[Job]:
    """The messages of a process until it ends, or is ended by closing its standard input."""
    assert process.stdin is not None
    assert process.stdout is not None
    rest = b""
    while True:
        if stopping.is_set() and not process.stdin.closed:
            process.stdin.close()
        if not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            continue
        piece = os.read(process.stdout.fileno(), _READ_BYTES)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            with suppress(ValueError):  # a library may print what it likes
                if isinstance(told := json.loads(line), dict):
                    yield told


def command(work: str, job: Job, given: int) -> list[str]:
    """The command line that does a job after reading this many bytes."""
    return [sys.executable, "-P", "-c", PROGRAM, str(ROOT), work, json.dumps(job), str(given)]


def _answer(last: Job, work: str, status: int) -> dict[str, Any]:
    if "answer" in last:
        answer: dict[str, Any] = last["answer"]
        return answer
    kind = getattr(errors, last.get("error", ""), StorageFailed)
    message = last.get("message", f"the process of {work} ended with {status}")
    raise kind.__new__(kind, message)  # without its constructor, whose arguments are not known


def say(something: Job) -> None:
    """Send a message to the process that waits for this one's answer."""
    _print({"said": something})


def _print(told: Job) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 - the way to send a message


def main(work: str, job: str, given: str) -> None:
    """Do a job, in the process started for it."""
    received = sys.stdin.buffer.read(int(given))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lower_priority()
    module, function = work.split(":")
    do: Callable[[Job, bytes], Job] = getattr(importlib.import_module(module), function)
    try:
        _print({"answer": do(json.loads(job), received)})
    except BearingError as error:
        _print({"error": type(error).__name__, "message": str(error)})


def _end_with_parent() -> None:
    # not through sys.stdin: a thread that waits in it keeps the interpreter from ending
    while os.read(0, 1):
        pass
    os._exit(1)
