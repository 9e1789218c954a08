"""Sealing in a process of its own, which shares neither interpreter nor memory with searches.

In a thread, whatever part of it is Python holds up every search in the process; and a thread of
low priority that holds the interpreter while it waits for a processor holds them up for longer.

The process is this file, run as a program. It is given a job as its argument and the live rows as
bits on standard input; its last line on standard output tells the index that it sealed, or an
error. When standard input ends, the process that started it is gone, and so it ends too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

NICENESS: Final = 15
"""Of 0 to 19: on busy cores, a search has about 28 times the share of a thread that seals."""


@dataclass(frozen=True, slots=True)
class Job:
    """Rows of a generation's folder, and the index that is wanted over them."""

    place: str
    rows: int
    dimension: int
    kind: str
    target_recall: float
    memory_bytes: int | None
    threads: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sealed index says of itself; or the name and message of the error there was."""

    sealed: Mapping[str, Any] | None
    error: str = ""
    message: str = ""


def run_apart(job: Job, live: NDArray[np.bool_] | None, lock: int) -> Outcome:
    """Let a process do a job, and wait for it; raises OSError if it cannot be started.

    ``lock`` is an open file that the process keeps open, as long as it lives.
    """
    command = [sys.executable, "-P", __file__, json.dumps(asdict(job))]
    with subprocess.Popen(  # noqa: S603 - the program is this very file
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(lock,),
        # not reached by Ctrl-C; of the same session, since Linux may share processors by session
        process_group=0,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},  # to wait is to give way, too
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # what it said at its end tells why
            process.stdin.write(_bits(live, job.rows))
            process.stdin.flush()
        said = process.stdout.read().splitlines()
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        return Outcome(**json.loads(said[-1]))
    except (LookupError, ValueError):
        return Outcome(None, "", f"the process that was to seal ended with {process.returncode}")


def _bits(live: NDArray[np.bool_] | None, rows: int) -> bytes:
    """A bit for each row, in whole bytes."""
    return np.packbits(np.ones(rows, dtype=np.bool_) if live is None else live).tobytes()


def main(encoded: str) -> None:
    """Do a job."""
    sys.path.append(str(Path(__file__).parents[2]))
    from indexer.errors import BearingError

    job = Job(**json.loads(encoded))
    live = _live(sys.stdin.buffer, job.rows)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    give_way()
    try:
        outcome = Outcome(_seal(job, live))
    except BearingError as error:
        outcome = Outcome(None, type(error).__name__, str(error))
    print(json.dumps(asdict(outcome)), flush=True)  # noqa: T201 - this is how it answers


def _seal(job: Job, live: NDArray[np.bool_] | None) -> dict[str, object]:
    from indexer.collection import IndexChoice, IndexKind
    from indexer.storage import sealed
    from indexer.storage.nearest import use_threads
    from indexer.storage.rows import VECTORS
    from indexer.storage.sealing import seal
    from indexer.storage.vectors import VectorFile

    use_threads(job.threads)
    place = Path(job.place)
    vectors = VectorFile(place / VECTORS, job.dimension).view(job.rows)
    old = sealed.read(place, lambda _: None)  # whoever opened the collection has told
    choice = IndexChoice(IndexKind(job.kind), job.target_recall, job.memory_bytes)
    return seal(place, vectors, live, old, choice)


def give_way() -> None:
    """Let searches have the processors first; threads that this one starts do so too."""
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        thread = threading.get_native_id()
        nice = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def _live(given: IO[bytes], rows: int) -> NDArray[np.bool_] | None:
    bits = np.frombuffer(given.read(-(-rows // 8)), dtype=np.uint8)
    live = np.unpackbits(bits, count=rows).astype(np.bool_)
    return None if live.all() else live


def _end_with_parent() -> None:
    # not through sys.stdin: a thread that waits in it keeps the interpreter from ending
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
