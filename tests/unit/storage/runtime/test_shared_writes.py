"""Writes that wait for their turn together are made together, and fail by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from indexer.storage.runtime.shared_writes import SharedWrites


class Disk:
    """A place that takes its first write when it is let, and none that holds a 13."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.refuses = False
        self.calls: list[list[int]] = []
        self.kept: list[int] = []
        self.began = threading.Event()
        self.gate = threading.Event()
        self.writes = SharedWrites(self.turn, self.write)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One writer at a time; none while it refuses."""
        if self.refuses:
            raise PermissionError("another process writes")
        with self._lock:
            yield

    def write(self, items: Sequence[int]) -> None:
        """Keep all or none."""
        self.calls.append(list(items))
        self.began.set()
        assert self.gate.wait(30)
        if 13 in items:
            raise ValueError(f"{list(items)} holds a 13")
        self.kept.extend(items)


@pytest.fixture
def disk() -> Disk:
    """Such a place."""
    return Disk()


@pytest.fixture
def together(disk: Disk) -> Callable[..., list[Future]]:
    """Submits writes that all wait behind the first."""

    def submit(*writes: list[int]) -> list[Future]:
        with ThreadPoolExecutor(len(writes)) as pool:
            futures = [pool.submit(disk.writes.submit, writes[0])]
            assert disk.began.wait(30)
            tick = threading.Event()
            for number, write in enumerate(writes[1:], 1):
                futures.append(pool.submit(disk.writes.submit, write))
                while len(disk.writes._queue) < number:
                    tick.wait(0.001)
            disk.gate.set()
        return futures

    return submit


def test_writes_that_wait_are_made_in_one_call_in_their_order(disk: Disk, together) -> None:
    """While the first is made three others gather, which then cost one call."""
    for future in together([1], [2, 3], [4], [5]):
        future.result()
    assert disk.calls == [[1], [2, 3, 4, 5]]
    assert disk.kept == [1, 2, 3, 4, 5]


def test_a_write_that_fails_fails_for_its_caller_only(disk: Disk, together) -> None:
    """The others of its call are made by themselves, and its caller gets its own error."""
    first, before, bad, after = together([1], [2], [12, 13], [4])
    with pytest.raises(ValueError, match=r"^\[12, 13\] holds a 13$"):
        bad.result()
    assert [future.exception() for future in (first, before, after)] == [None, None, None]
    assert disk.kept == [1, 2, 4]


def test_a_caller_that_gets_no_turn_leaves_the_queue(disk: Disk) -> None:
    """Others do not write later what it gave."""
    disk.gate.set()
    disk.refuses = True
    with pytest.raises(PermissionError):
        disk.writes.submit([1])
    disk.refuses = False
    disk.writes.submit([2])
    assert disk.kept == [2]
