"""Concurrent requests joined into one call: bounded, fair, and without a timer.

While a call is under way the next batch gathers, so no request is held back to fill a batch,
and batches grow with the load (as in text-embeddings-inference).
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from indexer.errors import InvalidInput, NotFound

Item = TypeVar("Item")
Result = TypeVar("Result")
P = ParamSpec("P")
T = TypeVar("T")


class Overloaded(Exception):
    """Too much work is waiting; try again after ``retry_after_seconds``."""

    def __init__(self, what: str, limit: int, setting: str, retry_after_seconds: int = 1) -> None:
        super().__init__(
            f"{what} already wait, at most {limit} may ({setting}): "
            f"try again in {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds


IDLE_SECONDS: Final = 10.0
"""A thread that has had nothing to do for this long ends."""


QUICK_SECONDS: Final = 0.05
"""Processor time that a call may take of the event loop, which answers nobody meanwhile."""

QUICK_WAIT_SECONDS: Final = 0.2
"""The same by the clock, as where it waits for a disk; other programs may take most of it."""

FIRST_AWAY: Final = 64
MOST_AWAY: Final = 65_536
"""Calls that are made in the thread after one that was not quick: at first, and at most."""


def _ignore(*_: object) -> None:
    """The observer of a queue that is not watched."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The observers of a queue: told the number of items in each call, and of each refusal."""

    batch: Callable[[int], object] = _ignore
    refusal: Callable[[], object] = _ignore


UNWATCHED: Final = Watch()


class Threads:
    """Runs blocking calls off the event loop, a few at a time, and lets a few more wait."""

    def __init__(self, count: int, queue: int, watch: Watch = UNWATCHED) -> None:
        self._watch = watch
        self._limiter = anyio.CapacityLimiter(count)
        self._queue = queue

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of the call, or its error; raises Overloaded if too many calls wait already.

        A caller that is cancelled while it waits never starts; once started, a call runs to its
        end even if nobody waits for it, because a thread cannot be stopped.
        """
        if self._limiter.statistics().tasks_waiting >= self._queue:
            self._watch.refusal()
            raise Overloaded(f"{self._queue} requests", self._queue, "BEARING_QUEUE_REQUESTS")
        return await anyio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=self._limiter)


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[T]):
    """A blocking call whose result goes to a future."""

    call: Callable[[], T]
    context: Context
    future: asyncio.Future[T]

    def make(self) -> Callable[[], None]:
        """Make the call, in a thread, unless its caller has left, and return what tells him."""
        if self.future.cancelled():
            return _ignore
        try:
            result = self.context.run(self.call)
        except BaseException as error:  # noqa: BLE001 -- nothing is swallowed: its caller gets it
            return partial(self._tell, self._fail, error)
        return partial(self._tell, self._finish, result)

    def _tell(self, how: Callable[[Result], None], what: Result) -> None:
        loop = self.future.get_loop()
        try:
            loop.call_soon_threadsafe(how, what)
        except RuntimeError:
            if not loop.is_closed():  # a closed loop has no one waiting
                raise

    def _finish(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, StopIteration):  # which a future cannot give
            error = RuntimeError(f"a call raised {error!r}")
        if not self.future.done():
            self.future.set_exception(error)


class SerialThread:
    """A thread of its own that makes blocking calls one at a time, in the order they came.

    It is started when it is needed and ends when it is idle. Every search passes through one, so it
    leaves out the work per call that a pool of threads has.
    """

    def __init__(self, name: str, idle_seconds: float = IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._calls: queue.SimpleQueue[_Call[Any]] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._is_there = False
        self._is_busy = False

    @property
    def is_idle(self) -> bool:
        """Return whether no call waits or is being made, as far as is known."""
        return not self._is_busy and self._calls.empty()

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, or its error; not made if its caller leaves before its turn."""
        return await self.begin(call)

    async def rest(self) -> None:
        """Nothing: the event loop is free while calls are made."""

    def begin(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """The future result of the call, which waits for its turn from now on."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._starting:  # queued under the lock, so that an idle thread cannot end in between
            if not self._is_there:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._is_there = True
            self._calls.put(_Call(call, copy_context(), future))
        return future

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=self._idle_seconds)
            except queue.Empty:
                with self._starting:
                    if self._calls.empty():
                        self._is_there = False
                        return
            else:
                self._is_busy = True
                tell = call.make()
                self._is_busy = False  # before its caller goes on, who may ask at once
                tell()
                del call, tell  # an idle thread must not keep the last call's arguments alive


class QuickThread(SerialThread):
    """Makes calls on the event loop itself as long as they are quick, and else in its thread.

    A call that takes less than a millisecond is not worth being handed over: threads that each
    hold the interpreter for a moment wait for one another. After one that took long, some are made
    in the thread, and twice as many after the next.
    """

    def __init__(self, name: str, idle_seconds: float = IDLE_SECONDS) -> None:
        super().__init__(name, idle_seconds)
        self._next_away = FIRST_AWAY
        self._away = 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, or its error."""
        if self._away or not self.is_idle:
            self._away = max(self._away - 1, 0)
            return await super().run(call)
        worked, waited = time.thread_time(), time.perf_counter()
        try:
            return call()
        finally:
            worked, waited = time.thread_time() - worked, time.perf_counter() - waited
            if worked > QUICK_SECONDS or waited > QUICK_WAIT_SECONDS:
                self._away = self._next_away
                self._next_away = min(2 * self._next_away, MOST_AWAY)

    async def rest(self) -> None:
        """Let the event loop answer others before the next call."""
        await asyncio.sleep(0)


@dataclass(slots=True, eq=False)
class _Job(Generic[Item, Result]):
    """The items of one caller; ``results`` holds those of the first ``len(results)`` items."""

    items: Sequence[Item]
    future: asyncio.Future[list[Result]]
    results: list[Result] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.items) - len(self.results)

    def next(self, count: int) -> Sequence[Item]:
        return self.items[len(self.results) : len(self.results) + count]

    def take(self, results: Sequence[Result]) -> int:
        """Keep results if the caller is still waiting, and return the number kept."""
        if self.future.done():
            return 0
        self.results.extend(results)
        if not self.left:
            self.future.set_result(self.results)
        return len(results)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Part(Generic[Item, Result]):
    """The items of one job in a batch."""

    job: _Job[Item, Result]
    items: Sequence[Item]


class Batcher(Generic[Item, Result]):
    """Gathers the items of concurrent callers and hands them to one blocking call at a time.

    ``call`` gives one result for each item, in order. A batch has at most ``batch`` items, and
    every caller in turn gets a share of it: a long request never delays a short one by more
    than the call under way. Where items differ in cost, as told by ``weigh``, a share ends before
    it costs more than the caller's part of ``budget``, but is never empty. Batchers that share a
    ``thread`` take turns.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        batch: int,
        queue: int,
        thread: SerialThread | None = None,
        weigh: Callable[[Item], int] | None = None,
        budget: int = 0,
        watch: Watch = UNWATCHED,
    ) -> None:
        self._call = call
        self._watch = watch
        self._weigh = weigh
        self._budget = budget
        self._batch = batch
        self._queue = queue
        self._thread = thread or SerialThread("batches")
        self._jobs: list[_Job[Item, Result]] = []
        self._draining: asyncio.Future[Any] | None = None
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of items waiting or in work, for callers that are still there."""
        return self._waiting

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """The results of these items, in order.

        Raises Overloaded at once when the queue is full, and whatever the call raised for a
        batch that any of the items was in; but an InvalidInput or NotFound, which is one
        request's own fault, reaches that request only.
        """
        if not items:
            return []
        waiting = self.waiting
        if waiting and waiting + len(items) > self._queue:
            self._watch.refusal()
            raise Overloaded(f"{waiting} texts", self._queue, "BEARING_QUEUE_TEXTS")
        job: _Job[Item, Result] = _Job(items, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        self._waiting += len(items)
        try:
            return await job.future
        finally:
            self._waiting -= job.left

    @property
    def is_idle(self) -> bool:
        """Return whether no item waits or is in work."""
        return self._draining is None and not self._waiting

    async def take_turn(self, call: Callable[[], T]) -> T:
        """The result of another call, made in the place of the next batch, which gathers meanwhile.

        To be asked while it is idle. It counts as one item, and runs to its end even if its
        caller leaves.
        """
        self._draining = turn = self._thread.begin(call)
        turn.add_done_callback(self._end_turn)
        self._waiting += 1
        try:
            return await asyncio.shield(turn)
        finally:
            self._waiting -= 1

    def _end_turn(self, turn: asyncio.Future[Any]) -> None:
        if not turn.cancelled():
            turn.exception()  # which its caller has, unless he left
        self._draining = asyncio.create_task(self._drain()) if self._jobs else None

    def make(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results of these items, in order, by a call of their own, here and now.

        For a call that has taken a turn.
        """
        self._watch.batch(len(items))
        return self._call(items)

    async def close(self) -> None:
        """Cancel the callers that still wait; a call under way runs to its end."""
        for job in self._jobs:
            job.future.cancel()
        while self._draining is not None:
            await asyncio.wait((self._draining,))

    async def _drain(self) -> None:
        try:
            while parts := self._gather():
                await self._work(parts)
                await self._thread.rest()
        finally:
            self._draining = None

    def _gather(self) -> list[_Part[Item, Result]]:
        """The next batch: a share for each of the first callers, who then queue up again.

        Callers that have left are dropped here, before they cost a call.
        """
        there = [job for job in self._jobs if not job.future.done()]
        turn = there[: self._batch]
        self._jobs = there[self._batch :] + turn
        room, budget, parts = self._batch, self._budget, []
        # The shortest first, so that what they leave of their share goes to the longer ones.
        for place, job in enumerate(sorted(turn, key=lambda job: job.left)):
            sharers = len(turn) - place
            items, cost = self._within(job.next(room // sharers), budget // sharers)
            parts.append(_Part(job, items))
            room -= len(items)
            budget -= min(cost, budget)
        return parts

    def _within(self, items: Sequence[Item], budget: int) -> tuple[Sequence[Item], int]:
        """The first items that cost no more than this together, at least one, and their cost."""
        if self._weigh is None:
            return items, 0
        total = 0
        for count, item in enumerate(items):
            cost = self._weigh(item)
            if count and total + cost > budget:
                return items[:count], total
            total += cost
        return items, total

    async def _work(self, parts: Sequence[_Part[Item, Result]]) -> None:
        items = [item for part in parts for item in part.items]
        self._watch.batch(len(items))
        try:
            results = await self._thread.run(partial(self._call, items))
        except (InvalidInput, NotFound) as error:
            await self._isolate(parts, error)
        except Exception as error:  # noqa: BLE001 -- nothing is swallowed: every waiter gets it
            for part in parts:
                part.job.fail(error)
        else:
            self._deliver(parts, results)

    async def _isolate(self, parts: Sequence[_Part[Item, Result]], error: Exception) -> None:
        """Try each caller's part by itself, so that one caller's error does not reach others."""
        if len(parts) == 1:
            parts[0].job.fail(error)
            return
        for part in parts:
            await self._work([part])

    def _deliver(self, parts: Sequence[_Part[Item, Result]], results: Sequence[Result]) -> None:
        if len(results) != sum(len(part.items) for part in parts):
            error = RuntimeError(f"a batch gave {len(results)} results, not one for each item")
            for part in parts:
                part.job.fail(error)
            return
        start = 0
        for part in parts:
            self._waiting -= part.job.take(results[start : start + len(part.items)])
            start += len(part.items)
