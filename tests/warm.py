"""Processes of Python that begin with everything imported: they are forked from one that has it.

Imports take a command longer than what most tests ask of it. ``warm_python()`` stands for
``sys.executable`` where the process is not what is tested: it takes ``-m``, ``-c``, ``-``, a file
and ``-W``, has the files, folder, environment and exit code of any process, passes interrupts on,
and is killed with who called it. What looks at processes themselves (their memory, children,
interpreter or imports) starts those.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
START_SECONDS: Final = 120
FORKS: Final = hasattr(os, "pidfd_open")
"""False where a process is not waited for beside a socket, as on macOS: each is started there."""


def warm_python() -> list[str]:
    """The words before those of a Python program; the process to fork starts with the first call.

    Raises RuntimeError with what it wrote if it does not start.
    """
    if not FORKS:
        return [sys.executable]
    return calling(str(_parent(os.getpid())))


def calling(place: str) -> list[str]:
    """Those words where the process to fork listens at a place."""
    return [sys.executable, "-I", "-S", str(HERE / "warm_call.py"), place]


@cache
def _parent(_: int) -> Path:
    """Where the parent of this process's programs listens; it ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="bearing-warm-"))
    place, log = folder / "socket", folder / "log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "warm_parent.py"), str(place)],
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=told,
            env=_neutral(),
            start_new_session=True,
        )
    atexit.register(_end, process, folder, os.getpid())
    deadline = time.monotonic() + START_SECONDS
    while not place.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no process to fork: {log.read_text()}")
        time.sleep(0.02)
    return place


def kill(process: subprocess.Popen[Any]) -> None:
    """Kill the program that a process has run by ``warm_python()``, which then ends alike.

    Killed itself, the process would end before its program does.
    """
    process.send_signal(signal.SIGUSR1 if FORKS else signal.SIGKILL)


def _neutral() -> dict[str, str]:
    """The environment less all settings, with this clone before what is installed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    return kept | {"PYTHONPATH": str(HERE.parent)}


def _end(process: subprocess.Popen[bytes], folder: Path, owner: int) -> None:
    if os.getpid() != owner:  # forked from that of the tests
        return
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)
