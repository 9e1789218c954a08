"""The process that programs of the tests are forked from (see warm.py), everything imported.

Each is the child of one that waits for it, tells its end, and kills it if its caller is gone.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import types
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from priorities import give_no_way
from warm import calling

from indexer.embedding.openvino.no_telemetry import forbid_telemetry

IMPORTED: Final = (
    "anyio._backends._asyncio",
    "app.commands",
    "app.main",
    "app.workers",
    "indexer.cli.app",
    "indexer.cli.holders.local",
    "indexer.embedding.openvino.model_cache",
    "indexer.storage.catalogue",
    "indexer.workspace",
    "openvino",
    "tokenizers",
    "uvicorn.lifespan.on",
    "uvloop",
)
PENDING: Final = 64


def serve(place: str) -> dict[str, Any]:
    """Wait for calls until standard input is closed; comes back in a program's own process only."""
    signal.signal(signal.SIGCHLD, reap)
    forbid_telemetry()
    for name in IMPORTED:
        import_module(name)
    with suppress(ImportError):  # there is none for some machines
        import_module("openTSNE")
    give_no_way(lambda: calling(place))
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        draft = Path(f"{place}.draft")
        listener.bind(str(draft))
        listener.listen(PENDING)
        draft.rename(place)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                sys.exit()
            line, _ = listener.accept()
            with line:
                if fork() == 0:
                    listener.close()
                    return wait_for_program(line)


def reap(*_: object) -> None:
    """Take note of what ended; its processor time counts as that of the tests."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def fork() -> int:
    """As os.fork; threads of imports, which do nothing, are not there afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def wait_for_program(line: socket.socket) -> dict[str, Any]:
    """Fork a program; comes back in it with what was asked, and ends with it in the other."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    asked: dict[str, Any] = json.loads(line.recv(*struct.unpack("!I", head), socket.MSG_WAITALL))
    program = fork()
    if program == 0:
        line.close()
        take(asked, files)
        return asked
    for one in files:
        os.close(one)
    line.sendall(struct.pack("!i", program))
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([ended, line], [], [])
    if ended not in ready:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    try:
        line.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
    finally:
        os._exit(0)


def take(asked: dict[str, Any], files: list[int]) -> None:
    """Have the caller's standard files, folder and environment."""
    for number in range(3):
        os.close(number)
    for number, one in zip(asked["files"], files, strict=True):
        os.dup2(one, number)
        os.close(one)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])


def run(words: list[str]) -> None:
    """What Python does with these words: -W and -P first, then -m, -c or a file."""
    warnings.resetwarnings()
    for name in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", name)
    path: list[str] = [str(Path.cwd())]
    while words[0] in ("-W", "-P"):
        if words[0] == "-P":
            path, words = [], words[1:]
        else:
            warnings.simplefilter(words[1])  # type: ignore[arg-type]
            words = words[2:]
    kind, *rest = words
    if kind == "-":
        kind, rest = "-c", [sys.stdin.read(), *rest]
    sys.argv = [kind, *rest[1:]] if kind in ("-m", "-c") else words
    if kind == "-m":
        sys.path[:1] = path
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path[:1] = [""] if path else []
        program = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(program))
    else:
        del sys.path[0]  # run_path has a folder's, not a file's
        sys.path[:0] = [str(Path(kind).absolute().parent)] if path else []
        runpy.run_path(kind, run_name="__main__")


run(serve(sys.argv[1])["words"])
