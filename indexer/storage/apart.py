"""Work in a process of its own, which shares neither interpreter nor memory with searches.

In a thread, whatever part of it is Python holds up every search in the process; and a thread of
low priority that holds the interpreter while it waits for a processor holds them up for longer.

The process is told its work, a function by module and name, and the job for it as arguments, and
given bytes on standard input; its last line on standard output is what the function answered, or
an error. When standard input ends, the process that started it is gone, and so it ends too.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from indexer.errors import BearingError, Damaged, InvalidInput, StorageFailed

NICENESS: Final = 15
"""Of 0 to 19: on busy cores, a search has about 28 times the share of a thread that gives way."""

PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from indexer.storage.apart import main; main(*sys.argv[2:])"
)
ROOT: Final = Path(__file__).parents[2]

_ERRORS: Final[Mapping[str, type[BearingError]]] = {
    kind.__name__: kind for kind in (Damaged, InvalidInput, StorageFailed)
}

_NEVER: Final = threading.Event()
_POLL_SECONDS: Final = 0.02

Job = Mapping[str, Any]
"""What JSON can hold."""


def run_apart(
    work: str,
    job: Job,
    given: bytes = b"",
    *,
    keep_open: Sequence[int] = (),
    stopping: threading.Event = _NEVER,
) -> dict[str, Any]:
    """Let a process do a job, and wait for what it answers: a few kilobytes at most.

    ``work`` is "module:function"; the function is called with the job and with ``given``. Files
    in ``keep_open`` stay open as long as the process lives, which ends early when ``stopping`` is
    set. Raises the error that it raised, StorageFailed if it ended without an answer, and OSError
    if it cannot be started.
    """
    with subprocess.Popen(  # noqa: S603 - the program is this very file
        command(work, job, len(given)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=keep_open,
        # not reached by Ctrl-C; of the same session, since Linux may share processors by session
        process_group=0,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},  # to wait is to give way, too
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # what it said at its end tells why
            process.stdin.write(given)
            process.stdin.flush()
        while process.poll() is None and not stopping.wait(_POLL_SECONDS):
            pass
        with suppress(BrokenPipeError):
            process.stdin.close()
        said = process.stdout.read().splitlines()
    return _answer(said[-1:], work, process.returncode)


def command(work: str, job: Job, given: int) -> list[str]:
    """The program that does a job once it got so many bytes."""
    return [sys.executable, "-P", "-c", PROGRAM, str(ROOT), work, json.dumps(job), str(given)]


def _answer(said: Sequence[bytes], work: str, status: int) -> dict[str, Any]:
    try:
        told = json.loads(said[0])
    except (LookupError, ValueError):
        raise StorageFailed(f"the process of {work} ended with {status}") from None
    if "error" in told:
        raise _ERRORS.get(told["error"], StorageFailed)(told["message"])
    answer: dict[str, Any] = told["answer"]
    return answer


def main(work: str, job: str, given: str) -> None:
    """Do a job, in the process that was started for it."""
    received = sys.stdin.buffer.read(int(given))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    give_way()
    module, function = work.split(":")
    do: Callable[[Job, bytes], Job] = getattr(importlib.import_module(module), function)
    try:
        told: dict[str, object] = {"answer": do(json.loads(job), received)}
    except BearingError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(told), flush=True)  # noqa: T201 - this is how it answers


def give_way() -> None:
    """Let searches have the processors first; threads that this one starts do so too."""
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        thread = threading.get_native_id()
        nice = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def _end_with_parent() -> None:
    # not through sys.stdin: a thread that waits in it keeps the interpreter from ending
    while os.read(0, 1):
        pass
    os._exit(1)
