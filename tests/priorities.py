"""Work in the background at usual priority: on busy cores tests would wait for it, not searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from indexer import background_task, subprocess_job

UNCHANGED: Final = 0
"""A niceness of which no thread has less, so that it stays as it is."""

_BEGIN, _, _REST = subprocess_job.PROGRAM.partition(" from indexer")
PROGRAM: Final = (
    f"{_BEGIN} import indexer.background_task as task; task.NICENESS = {UNCHANGED};"
    f" from indexer{_REST}"
)


def give_no_way(put: Callable[[object, str, object], None] = setattr) -> None:
    """Have threads of this process, and processes that it starts, keep their priority."""
    put(background_task, "NICENESS", UNCHANGED)
    put(subprocess_job, "PROGRAM", PROGRAM)
