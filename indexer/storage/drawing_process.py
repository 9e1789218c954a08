"""Drawing a map in a process of its own, which shares neither interpreter nor memory with searches.

The process is this file, run as a program with the folder of a collection as its argument. Each
line on its standard output is a step, as JSON; the last says that it is done, or which error there
was. When its standard input ends, the process that started it is gone, and so it ends too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from indexer.collection import Step, Tell
    from indexer.errors import BearingError

NICENESS: Final = 19
CORES_SHARE: Final = 0.5
"""Of the processors that there are, it uses so many; one at least."""


class Draughtsman:
    """A process that draws the map of one collection."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    def start(cls, folder: Path, lock: int) -> Self:
        """Begin; ``lock`` is an open file that the process keeps open as long as it lives.

        Raises StorageFailed if no process can be started.
        """
        from indexer.errors import StorageFailed

        command = [sys.executable, "-P", __file__, str(folder.absolute())]
        threads = str(max(1, int((os.cpu_count() or 1) * CORES_SHARE)))
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        try:
            return cls(
                subprocess.Popen(  # noqa: S603 - the program is this very file
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=(lock,),
                    process_group=0,  # not reached by Ctrl-C; see sealing_process
                    text=True,
                    env={
                        **os.environ,
                        **dict.fromkeys(limits, threads),
                        "OMP_WAIT_POLICY": "passive",
                    },
                )
            )
        except OSError as error:
            raise StorageFailed(f"no process could be started to draw in: {error}") from error

    def wait(self, tell: Tell) -> None:
        """Hear its steps until it ends; raises the error that it met."""
        from indexer.collection import Step

        last: Mapping[str, object] = {}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # a library may print what it likes
                last = json.loads(line)
                if "done" in last:
                    tell(Step(**last))  # type: ignore[arg-type]
        code = self._process.wait()
        self.end()
        self._process.stdout.close()
        if last.get("error") != "":
            raise _error(last, code)

    def end(self) -> None:
        """Let it end, without a map."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()


def _error(last: Mapping[str, object], code: int) -> BearingError:
    from indexer import errors

    message = str(last.get("message") or f"the process that was to draw ended with {code}")
    kind = getattr(errors, str(last.get("error", "")), errors.StorageFailed)
    if kind is errors.MissingExtra:  # which is made of the names that its message holds
        return errors.MissingExtra("openTSNE", "map")
    made: BearingError = kind(message)
    return made


def main(folder: str) -> None:
    """Draw the map of the collection in a folder, whose turn the caller has."""
    sys.path.append(str(Path(__file__).parents[2]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    from indexer.errors import BearingError

    try:
        _draw(Path(folder))
        told = {"error": ""}
    except BearingError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(told), flush=True)  # noqa: T201 - this is how it answers


def _draw(folder: Path) -> None:
    from indexer.storage.maps import draw_and_keep
    from indexer.storage.store import Store

    store = Store(folder / "store.sqlite")
    try:
        with store.reading() as snapshot:
            model = snapshot.identity(snapshot.generation().number).fingerprint
        draw_and_keep(folder, store, model, _say, anew=False)
    finally:
        store.close()


def _say(step: Step) -> None:
    print(json.dumps(asdict(step)), flush=True)  # noqa: T201 - this is how it tells


def _end_with_parent() -> None:
    # not through sys.stdin: a thread that waits in it keeps the interpreter from ending
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
