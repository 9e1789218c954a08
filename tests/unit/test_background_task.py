"""Work beside the searches: one thread at a time, which can be asked to end and waited for."""

from __future__ import annotations

import logging
import threading

import pytest

from indexer.background_task import BackgroundTask
from indexer.errors import BearingError, Damaged, StorageFailed

PATIENCE_SECONDS = 20


class Work:
    """Work that goes on until it may end, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = threading.Event()

    def __call__(self) -> None:
        """Begin, and wait for leave to end."""
        self.begun.append(threading.current_thread().name)
        assert self.may_end.wait(PATIENCE_SECONDS)


def test_work_under_way_is_not_begun_again() -> None:
    """Whoever starts it; once it has ended it can be."""
    work = Work()
    task = BackgroundTask("some work", work)
    assert not task.is_running
    ready = threading.Barrier(8)

    def start() -> None:
        ready.wait(PATIENCE_SECONDS)
        task.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert task.is_running
    work.may_end.set()
    task.wait()
    assert work.begun == ["some work"]
    assert not task.is_running
    task.start()
    task.wait()
    assert work.begun == ["some work"] * 2


def test_work_is_asked_to_end_and_nothing_begins_afterwards() -> None:
    """To stop does not wait for it."""
    work = Work()
    task = BackgroundTask("work", work)
    task.start()
    assert not task.stopping.is_set()
    task.stop()
    assert task.stopping.is_set()
    assert task.is_running
    work.may_end.set()
    task.wait()
    task.start()
    task.wait()
    assert len(work.begun) == 1


def test_closing_waits_for_the_end() -> None:
    """The work hears that it is to end, and has ended when closing is done."""
    ended = []

    def work() -> None:
        assert task.stopping.wait(PATIENCE_SECONDS)
        ended.append(True)

    task = BackgroundTask("work", work)
    task.start()
    task.close()
    assert ended == [True]
    assert not task.is_running
    task.close()  # which may be done twice


def test_an_error_is_logged_and_the_next_start_works(caplog: pytest.LogCaptureFixture) -> None:
    """It says which work ended, and why."""
    outcomes = [StorageFailed("no room"), None]

    def work() -> None:
        if error := outcomes.pop(0):
            raise error

    task = BackgroundTask("fragile", work)
    with caplog.at_level(logging.WARNING):
        task.start()
        task.wait()
        assert caplog.messages == ["'fragile' ended in the background: no room"]
        task.start()
        task.wait()
    assert not outcomes
    assert len(caplog.messages) == 1


def test_whoever_wants_to_is_told_of_an_error_instead(caplog: pytest.LogCaptureFixture) -> None:
    """In the thread of the work, and nothing else is logged."""
    told: list[tuple[str, BearingError]] = []
    error = Damaged("not what was written")

    def work() -> None:
        raise error

    task = BackgroundTask(
        "fragile", work, lambda error: told.append((threading.current_thread().name, error))
    )
    task.start()
    task.wait()
    assert told == [("fragile", error)]
    assert not caplog.messages


@pytest.mark.parametrize("daemon", [False, True])
def test_the_interpreter_waits_for_what_is_no_daemon(daemon: bool) -> None:
    """As for any thread of Python's."""
    found = []
    task = BackgroundTask(
        "work", lambda: found.append(threading.current_thread().daemon), daemon=daemon
    )
    task.start()
    task.wait()
    assert found == [daemon]
