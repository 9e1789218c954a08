"""Work in the background at usual priority: on busy cores tests would wait for it, not searches.

Processes that do a part of it are forked from one that has everything imported (see warm.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from indexer import background_task, subprocess_job
from indexer.subprocess_job import Job, command

UNCHANGED: Final = 0
"""A niceness of which no thread has less, so that it stays as it is."""

_BEGIN, _, _REST = subprocess_job.PROGRAM.partition(" from indexer")
PROGRAM: Final = (
    f"{_BEGIN} import indexer.background_task as task; task.NICENESS = {UNCHANGED};"
    f" from indexer{_REST}"
)


def give_no_way(
    python: Callable[[], list[str]], put: Callable[[object, str, object], None] = setattr
) -> None:
    """Have threads of this process, and processes that it starts, keep their priority.

    ``python`` gives the words that such a process is started by.
    """

    def warm_command(work: str, job: Job, given: int) -> list[str]:
        words = command(work, job, given)
        assert words[0] == sys.executable
        return [*python(), *words[1:]]

    put(background_task, "NICENESS", UNCHANGED)
    put(subprocess_job, "PROGRAM", PROGRAM)
    put(subprocess_job, "command", warm_command)
