"""The gathering of concurrent calls: order, fairness, bounds, failures and departures."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from app.serving import batching
from app.serving.batching import (
    FIRST_AWAY,
    QUICK_SECONDS,
    Batcher,
    Overloaded,
    QuickThread,
    SerialThread,
    Threads,
)
from indexer.errors import InvalidVector


class Double:
    """Doubles numbers, when it is let; notes each batch it was called with."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = threading.Event()
        self.let.set()
        self.fault: Callable[[Sequence[int]], None] = lambda _: None

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        """Twice each number."""
        self.batches.append(list(numbers))
        assert self.let.wait(10)
        self.fault(numbers)
        return [2 * number for number in numbers]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario to its end, or fail after a while."""
    asyncio.run(asyncio.wait_for(scenario, 30))


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    while not condition():
        await asyncio.sleep(0.001)


async def occupy(batcher: Batcher[int, int], call: Double) -> asyncio.Task[list[int]]:
    """A caller whose call is under way and stays so until it is let."""
    call.let.clear()
    first = asyncio.create_task(batcher.submit([0]))
    await until(lambda: bool(call.batches))
    return first


def test_a_lone_caller_is_served_at_once() -> None:
    """Nobody waits for company."""

    async def scenario() -> None:
        call = Double()
        assert await Batcher(call, batch=4, queue=8).submit([1, 2, 3]) == [2, 4, 6]
        assert call.batches == [[1, 2, 3]]

    run(scenario())


def test_no_items_cost_no_call() -> None:
    """An empty request is answered without a call."""

    async def scenario() -> None:
        call = Double()
        assert await Batcher(call, batch=4, queue=8).submit([]) == []
        assert call.batches == []

    run(scenario())


def test_who_waits_together_is_served_together() -> None:
    """While a call is under way others gather, and share the next one."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=64)
        first = await occupy(batcher, call)
        others = [asyncio.create_task(batcher.submit([n, n + 100])) for n in range(1, 11)]
        await until(lambda: batcher.waiting == 21)
        call.let.set()
        assert await first == [0]
        assert await asyncio.gather(*others) == [[2 * n, 2 * n + 200] for n in range(1, 11)]
        assert len(call.batches) == 2

    run(scenario())


def test_a_long_request_is_split_and_keeps_its_order() -> None:
    """No call has more items than the batch, and results come in the order of items."""

    async def scenario() -> None:
        call = Double()
        numbers = list(range(100))
        assert await Batcher(call, batch=7, queue=1).submit(numbers) == [2 * n for n in numbers]
        assert max(map(len, call.batches)) == 7
        assert len(call.batches) == 15

    run(scenario())


def test_a_short_request_waits_for_one_call_behind_a_long_one() -> None:
    """Whatever is waiting already, a single item is in the very next call."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=8, queue=5_000)
        first = await occupy(batcher, call)
        long = [asyncio.create_task(batcher.submit(range(1_000))) for _ in range(3)]
        await until(lambda: batcher.waiting == 3_001)
        short = asyncio.create_task(batcher.submit([-1]))
        await until(lambda: batcher.waiting == 3_002)
        call.let.set()
        assert await short == [-2]
        assert -1 in call.batches[1]
        assert len(call.batches[1]) == 8
        batches = len(call.batches)
        assert batches < 10
        await asyncio.gather(first, *long)

    run(scenario())


def test_dear_items_make_smaller_batches() -> None:
    """A batch costs no more than its budget, but for a single item that does by itself."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=5_000, weigh=lambda number: number, budget=10)
        numbers = [4, 4, 4, 25, 1, 9, 1]
        assert await batcher.submit(numbers) == [2 * number for number in numbers]
        assert call.batches == [[4, 4], [4], [25], [1, 9], [1]]

    run(scenario())


def test_a_dear_request_leaves_room_for_others() -> None:
    """Each caller gets a part of the budget, one item at least; order and results are kept."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=5_000, weigh=lambda number: number, budget=12)
        first = await occupy(batcher, call)
        dear = asyncio.create_task(batcher.submit([6, 6, 6, 6]))
        cheap = asyncio.create_task(batcher.submit([1, 2]))
        await until(lambda: batcher.waiting == 7)
        call.let.set()
        assert await cheap == [2, 4]
        assert await dear == [12, 12, 12, 12]
        assert await first == [0]
        assert call.batches == [[0], [1, 2, 6], [6, 6], [6]]

    run(scenario())


def test_more_callers_than_a_batch_holds_are_all_served_in_turn() -> None:
    """With more callers than room, those who wait longest come first, and nobody starves."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=2, queue=100)
        first = await occupy(batcher, call)
        others = [asyncio.create_task(batcher.submit([10 * n, 10 * n + 1])) for n in range(1, 6)]
        await until(lambda: batcher.waiting == 11)
        call.let.set()
        await asyncio.gather(first, *others)
        assert [sorted(batch) for batch in call.batches[1:4]] == [[10, 20], [30, 40], [11, 50]]

    run(scenario())


def test_a_failed_batch_fails_every_waiter() -> None:
    """When the model fails, all who were in the batch get the error, and nobody hangs."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=64)
        first = await occupy(batcher, call)
        others = [asyncio.create_task(batcher.submit([n])) for n in range(1, 6)]
        await until(lambda: batcher.waiting == 6)

        def fail(numbers: Sequence[int]) -> None:
            if 1 in numbers:
                raise MemoryError("out of memory")

        call.fault = fail
        call.let.set()
        assert await first == [0]
        errors = await asyncio.gather(*others, return_exceptions=True)
        assert [type(error) for error in errors] == [MemoryError] * 5
        assert await batcher.submit([7]) == [14]

    run(scenario())


def test_one_bad_item_fails_its_own_request_only() -> None:
    """A fault of one request reaches that request, and its neighbours are served."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=64)
        first = await occupy(batcher, call)
        others = [asyncio.create_task(batcher.submit([n])) for n in range(1, 6)]
        await until(lambda: batcher.waiting == 6)

        def fail(numbers: Sequence[int]) -> None:
            if 3 in numbers:
                raise InvalidVector("text has no direction")

        call.fault = fail
        call.let.set()
        await first
        answers = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(answers[2], InvalidVector)
        assert [answer for n, answer in enumerate(answers) if n != 2] == [[2], [4], [8], [10]]

    run(scenario())


def test_a_call_that_gives_too_few_results_fails_its_waiters() -> None:
    """Results that do not match the items are never handed to the wrong caller."""

    async def scenario() -> None:
        batcher: Batcher[int, int] = Batcher(lambda _: [], batch=4, queue=8)
        with pytest.raises(RuntimeError, match="0 results"):
            await batcher.submit([1])

    run(scenario())


def test_who_leaves_while_waiting_costs_no_call() -> None:
    """The items of a cancelled caller are dropped before the model sees them."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=64, queue=64)
        first = await occupy(batcher, call)
        leaving = asyncio.create_task(batcher.submit([13]))
        staying = asyncio.create_task(batcher.submit([14]))
        await until(lambda: batcher.waiting == 3)
        leaving.cancel()
        await until(lambda: batcher.waiting == 2)
        call.let.set()
        await asyncio.gather(first, staying)
        assert call.batches == [[0], [14]]

    run(scenario())


def test_who_leaves_amid_a_long_request_stops_it() -> None:
    """What is left of a cancelled caller's items is not worked on."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=2, queue=64)
        call.let.clear()
        leaving = asyncio.create_task(batcher.submit(range(10)))
        await until(lambda: bool(call.batches))
        leaving.cancel()
        staying = asyncio.create_task(batcher.submit([50]))
        await until(lambda: batcher.waiting == 1)
        call.let.set()
        assert await staying == [100]
        assert call.batches == [[0, 1], [50]]

    run(scenario())


def test_a_full_queue_refuses_at_once() -> None:
    """More than the queue holds is refused with the limit and a time to come back."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=4, queue=3)
        first = await occupy(batcher, call)
        waiting = asyncio.create_task(batcher.submit([1, 2]))
        await until(lambda: batcher.waiting == 3)
        with pytest.raises(Overloaded, match="at most 3") as refusal:
            await batcher.submit([3])
        assert refusal.value.retry_after_seconds >= 1
        call.let.set()
        await asyncio.gather(first, waiting)
        assert await batcher.submit([3]) == [6]

    run(scenario())


def test_closing_lets_go_of_who_waits() -> None:
    """After close nobody waits for ever, and the call under way has ended."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=1, queue=10)
        first = await occupy(batcher, call)
        waiting = asyncio.create_task(batcher.submit([1]))
        await until(lambda: batcher.waiting == 2)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        call.let.set()
        await closing
        answers = await asyncio.gather(first, waiting, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
        assert call.batches == [[0]]

    run(scenario())


def test_threads_bound_what_runs_and_what_waits() -> None:
    """No more calls run than there are threads, and no more wait than may."""

    async def scenario() -> None:
        threads, let = Threads(2, 1), threading.Event()
        running: list[int] = []

        def block(number: int) -> int:
            running.append(number)
            assert let.wait(10)
            return number

        started = [asyncio.create_task(threads.run(block, number)) for number in range(3)]
        await until(lambda: len(running) == 2)
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded, match="BEARING_QUEUE_REQUESTS"):
            await threads.run(block, 3)
        assert len(running) == 2
        let.set()
        assert sorted(await asyncio.gather(*started)) == [0, 1, 2]

    run(scenario())


def test_a_call_takes_the_turn_of_a_batch() -> None:
    """What is submitted meanwhile gathers and counts, and an error reaches its own caller only."""

    async def scenario() -> None:
        call, let, made = Double(), threading.Event(), []
        batcher = Batcher(call, batch=4, queue=8)
        turn = asyncio.create_task(
            batcher.take_turn(lambda: made.append("turn") or (let.wait(10) and 1 // 0))
        )
        await until(lambda: made == ["turn"])
        others = [asyncio.create_task(batcher.submit([number])) for number in range(3)]
        await until(lambda: batcher.waiting == 4)
        assert not batcher.is_idle
        let.set()
        with pytest.raises(ZeroDivisionError):
            await turn
        assert await asyncio.gather(*others) == [[0], [2], [4]]
        assert call.batches == [[0, 1, 2]]
        await until(lambda: batcher.is_idle)

    run(scenario())


def test_a_turn_is_over_when_its_call_is_whoever_left() -> None:
    """A caller that leaves takes no one's turn, and closing waits for the call under way."""

    async def scenario() -> None:
        call, let, made = Double(), threading.Event(), []
        batcher = Batcher(call, batch=4, queue=8)
        turn = asyncio.create_task(batcher.take_turn(lambda: let.wait(10) and made.append("made")))
        await asyncio.sleep(0.01)
        turn.cancel()
        await until(turn.done)
        assert not batcher.is_idle
        assert made == []
        let.set()
        await batcher.close()
        assert made == ["made"]
        assert batcher.is_idle

    run(scenario())


def test_a_lane_makes_calls_one_at_a_time_in_order() -> None:
    """The second of two calls begins when the first has ended, whatever each gives or raises."""

    async def scenario() -> None:
        thread, let, made = SerialThread("calls"), threading.Event(), []
        first = asyncio.create_task(thread.run(lambda: made.append("first") or let.wait(10)))
        failing = asyncio.create_task(thread.run(lambda: made.append("failing") or 1 // 0))
        ending = asyncio.create_task(thread.run(lambda: made.append("ending") or next(iter(()))))
        last = asyncio.create_task(thread.run(lambda: made.append("last") or "done"))
        await until(lambda: made == ["first"])
        let.set()
        assert await first is True
        with pytest.raises(ZeroDivisionError):
            await failing
        with pytest.raises(RuntimeError, match="StopIteration"):
            await ending
        assert await last == "done"
        assert made == ["first", "failing", "ending", "last"]

    run(scenario())


def test_a_call_whose_caller_left_before_its_turn_is_not_made() -> None:
    """Only what somebody waits for is done, or what has begun."""

    async def scenario() -> None:
        thread, let, made = SerialThread("calls"), threading.Event(), []
        first = asyncio.create_task(thread.run(lambda: made.append("first") or let.wait(10)))
        leaving = asyncio.create_task(thread.run(lambda: made.append("leaving")))
        await until(lambda: made == ["first"])
        leaving.cancel()
        await asyncio.sleep(0)
        let.set()
        await first
        await thread.run(lambda: made.append("last"))
        assert made == ["first", "last"]

    run(scenario())


def test_a_serial_thread_is_there_while_it_is_used() -> None:
    """One that has nothing to do ends, and the next call has one again."""

    def is_there() -> bool:
        return any(thread.name == "serial" for thread in threading.enumerate())

    async def scenario() -> None:
        thread = SerialThread("serial", idle_seconds=0.01)
        assert not is_there()
        for _ in range(3):
            assert await thread.run(is_there)
            await until(lambda: not is_there())

    run(scenario())


def test_quick_calls_are_made_where_they_are_asked_for_until_one_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some are made in a thread then, so that others need not wait, and later none is."""
    monkeypatch.setattr(batching, "QUICK_WAIT_SECONDS", math.inf)  # other programs take their time

    def work(seconds: float) -> int:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        return threading.get_ident()

    async def scenario() -> None:
        thread, here = QuickThread("quick"), threading.get_ident()
        assert await thread.run(lambda: work(0)) == here
        assert await thread.run(lambda: work(2 * QUICK_SECONDS)) == here
        elsewhere = [await thread.run(lambda: work(0)) for _ in range(FIRST_AWAY)]
        assert here not in elsewhere
        assert await thread.run(lambda: work(0)) == here

    run(scenario())


def test_callers_of_a_moment_share_a_quick_call() -> None:
    """As many as a batch takes; between two the event loop goes on, and an error reaches all."""

    async def scenario() -> None:
        call = Double()
        batcher = Batcher(call, batch=3, queue=8, thread=QuickThread("quick"))
        seen: list[int] = []

        async def watch() -> None:
            while len(call.batches) < 2:
                seen.append(len(call.batches))
                await asyncio.sleep(0)

        waiting = [batcher.submit([number]) for number in range(5)]
        *found, _ = await asyncio.gather(*waiting, watch())
        assert found == [[0], [2], [4], [6], [8]]
        assert call.batches == [[0, 1, 2], [3, 4]]
        assert 1 in seen

        def fail(_: Sequence[int]) -> None:
            raise ZeroDivisionError

        call.fault = fail
        failed = await asyncio.gather(*[batcher.submit([1]) for _ in "ab"], return_exceptions=True)
        assert [type(one) for one in failed] == [ZeroDivisionError] * 2

    run(scenario())
