"""Work in a process of its own, asked over pipes, a line of JSON each way."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LAST_CHARACTERS = 2_000


class Process:
    """``python -m module --serve JOB``; raises RuntimeError, with its last words, if it dies.

    With a ``build``, the checkout of another build of Bearing, the module is that build's, run by
    the interpreter in its ``.venv``, or by this one where it has none.
    """

    def __init__(self, module: str, job: Mapping[str, object], build: Path | None = None) -> None:
        # a file, since a pipe that no one reads would fill up and stop the process
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [interpreter(build), "-W", "ignore", "-m", module, "--serve", json.dumps(job)],
            cwd=build,
            env=environment(build),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def ask(self, task: str, **given: object) -> dict[str, Any]:
        """The answer to a task."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what it said at its end tells why
            print(json.dumps({"task": task, **given}), file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            raise RuntimeError(self._said.read()[-_LAST_CHARACTERS:].strip() or "it ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        self._said.close()


def interpreter(build: Path | None) -> str:
    """The Python that runs a build: its own, if it has one."""
    own = build and build.resolve() / ".venv" / "bin" / "python"
    return str(own) if own and own.exists() else sys.executable


def environment(build: Path | None) -> dict[str, str]:
    """The variables of this process, with which a build's modules come before installed ones."""
    place = {} if build is None else {"PYTHONPATH": str(build.resolve())}
    return dict(os.environ) | place


def serve(tasks: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer tasks on standard input until it ends; what else is printed goes to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            given = json.loads(line)
            print(json.dumps(tasks[given.pop("task")](**given)), file=answers, flush=True)


def ratios(
    names: Mapping[str, str], own: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, float]:
    """Figures of this build over another's, by the name of each ratio, where both were measured."""
    return {
        name: own[figure] / other[figure]
        for name, figure in names.items()
        if own.get(figure) and other.get(figure)
    }
