"""The same documents give the same answers, whatever happened to the collection before.

One machine drives a collection through all that can happen to one, with thresholds so low that
some hundreds of rows are many, and compares what it answers with an oracle after each step, with
a collection without a history now and then.

The ordinary form takes half a minute or less. The long form (`make test-long`) tours all kinds of
index and draws histories of more steps for an hour, and can be told by environment variables:
HISTORY_SECONDS how long, HISTORY_SEED where to begin (a failure names its seed: begin there to see
it at once), HISTORY_LOG a file that says how far it is.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest
from history import APART, DELTA, LOW, History, draw_condition
from history_checks import check, check_watch, look
from history_killing import kill_while_writing
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from topics import TOPICS
from tries import tries

from indexer.ann.kinds import INDEX_KINDS
from indexer.index_choice import IndexKind
from indexer.storage.maintenance.verification import verify
from indexer.thresholds import Thresholds

KINDS = tuple(INDEX_KINDS)
TOURED = IndexKind.GRAPH
"""The kind that is toured in the suite: one that cannot remove rows."""
DRIVEN = IndexKind.REDUCED_PARTITIONED
"""The kind that the machine drives in the suite: one of all parts."""
FIRST_DOCUMENTS = 1_200
MOST_DOCUMENTS = 6_000
STEPS_BETWEEN_CHECKS = 10


def _bulk(history: History) -> None:
    """Many new documents, of all topics or of one, looked at between the writes."""
    if len(history.held) < MOST_DOCUMENTS:
        topic = history.dice.choice([None, history.dice.randrange(TOPICS)])
        history.bulk(history.dice.randint(300, 1_500), topic, partial(look, history))


def _rewrite(history: History) -> None:
    """A topic's documents are replaced, in one write or in several."""
    topic, share = history.dice.randrange(TOPICS), history.dice.choice([0.5, 0.9, 1.0])
    history.rewrite(topic, share, history.dice.randint(1, 3), partial(look, history))


def _copy(history: History) -> None:
    """Copies, or near copies."""
    history.copy(history.dice.randint(1, 30), nearly=history.dice.random() < 0.5)


def _delete(history: History) -> None:
    """Ids of a topic, and one that is nobody's."""
    topic = history.dice.choice([None, history.dice.randrange(TOPICS)])
    history.delete(history.some(history.dice.randint(0, 300), topic))


def _delete_matching(history: History) -> None:
    """What passes a filter that not every document passes."""
    condition = draw_condition(history.dice, history.dice.randrange(TOPICS))
    history.delete_matching({"$and": [condition or {}, {"n": {"$lt": 20}}]})


def _migrate(history: History) -> None:
    """Another model takes over, while documents change."""
    with history.migrating():
        history.dice.choice([_rewrite, _delete, _add, _amend])(history)
        look(history)


def _add(history: History) -> None:
    """A few new documents."""
    history.add(history.dice.randint(1, 200))


def _amend(history: History) -> None:
    """Other metadata."""
    history.amend(history.dice.randint(1, 400))


STEPS: dict[str, Callable[[History], None]] = {
    "rewrite": _rewrite,
    "add": _add,
    "copy": _copy,
    "settle": History.settle,
    "kill": lambda history: history.kill(torn=history.dice.randint(0, 500)),
    "bulk": _bulk,
    "change back": lambda history: history.change_back(history.dice.randint(1, 600)),
    "migrate": _migrate,
    "churn": lambda history: history.churn(0.3),
    "rebuild": lambda history: history.rebuild(
        history.dice.choice([None, *KINDS, IndexKind.AUTO, IndexKind.EXACT])
    ),
    "delete matching": _delete_matching,
    "catch up": History.catch_up,
    "amend": _amend,
    "give up migrating": History.give_up_migrating,
    "put again": lambda history: history.put_again(history.dice.randint(1, 200)),
    "compact": History.compact,
    "delete": _delete,
    "reopen": History.reopen,
    "leave elsewhere": History.leave_elsewhere,
}
"""What may happen to a collection; how much of it, its dice say."""

LONG_STEPS = {
    **STEPS,
    "kill while writing": kill_while_writing,
    "break the index": check_watch,
}
"""With what takes processes of its own, or longer."""


class HistoryMachine(RuleBasedStateMachine):
    """In which order things happen is drawn here; what must hold then is in history_checks.

    All happen in each example: of rules drawn one by one, a few examples would see few. The only
    one of the suite is the simplest, of what comes first in each list.
    """

    first_documents = FIRST_DOCUMENTS
    steps_between_checks = STEPS_BETWEEN_CHECKS

    @initialize(
        number=st.integers(0, 2**32),
        kind=st.sampled_from([DRIVEN, *KINDS]),
        thresholds=st.sampled_from([LOW, DELTA]),
        order=st.permutations(list(STEPS)),
    )
    def create(
        self, number: int, kind: IndexKind, thresholds: Thresholds, order: list[str]
    ) -> None:
        """A collection of more rows than an index is built from."""
        self.root = Path(tempfile.mkdtemp())
        self.steps, self.order = 0, cycle(order)
        self.history = History(self.root, kind, thresholds, number)
        self.history.bulk(self.first_documents, None, lambda: None)
        self.history.copy(5, nearly=False)

    def teardown(self) -> None:
        """All is as it must be at the end, on disk too, unless a step has failed."""
        try:
            if sys.exc_info()[0] is None:
                check(self.history)
                with self.history.closed():
                    found = verify(self.history.folder, None, lambda _: None)
                assert found.sound, found.findings
        finally:
            self.history.close()
            shutil.rmtree(self.root)

    @rule()
    def go_on(self) -> None:
        """The next thing happens: a question or two after it, and all of them now and then."""
        step = next(self.order)
        note(step)
        LONG_STEPS[step](self.history)
        look(self.history)
        self.steps += 1
        if self.steps % self.steps_between_checks == 0:
            check(self.history)


class LongHistoryMachine(HistoryMachine):
    """The same with more documents, and other processes."""

    first_documents = 2 * FIRST_DOCUMENTS
    steps_between_checks = STEPS_BETWEEN_CHECKS // 2

    @initialize(
        number=st.integers(0, 2**32),
        kind=st.sampled_from(KINDS),
        thresholds=st.sampled_from([LOW, DELTA, APART]),
        order=st.permutations([*LONG_STEPS, *LONG_STEPS]),
    )
    def create(
        self, number: int, kind: IndexKind, thresholds: Thresholds, order: list[str]
    ) -> None:
        """Indexes may be made in other processes."""
        super().create(number, kind, thresholds, order)


@pytest.mark.parametrize(
    "kind",
    [kind if kind is TOURED else pytest.param(kind, marks=pytest.mark.long) for kind in KINDS],
)
def test_a_tour_by_every_index(kind: IndexKind, tmp_path: Path) -> None:
    """What most often happens to a collection changes none of its answers, whichever its index."""
    history = History(tmp_path, kind, DELTA, seed=7)
    with closing(history):
        history.bulk(1_600, None, lambda: None)
        history.settle()
        look(history)
        history.rewrite(0, 0.9, 3, lambda: look(history))
        history.settle()
        if kind is not TOURED:  # the suite's own tour is checked once, at its end
            check(history)
        history.copy(12, nearly=False)
        history.copy(12, nearly=True)
        history.churn(0.3)
        history.change_back(500)
        look(history)
        history.kill(torn=7)
        with history.migrating():
            history.rewrite(1, 0.9, 1, lambda: look(history))
        look(history)
        history.compact()
        history.rewrite(2, 1.0, 2, lambda: look(history))
        check(history)


ORDINARY = settings(
    max_examples=tries(1),
    stateful_step_count=len(STEPS),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a step takes too long to try thousands of others
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(
    ORDINARY,
    max_examples=2,
    stateful_step_count=2 * len(LONG_STEPS),
    derandomize=False,
    database=None,
)

TestHistoryMachine = pytest.mark.timeout(tries(300))(HistoryMachine.TestCase)
TestHistoryMachine.settings = ORDINARY


def tell(line: str) -> None:
    """Add a line to the log, if one is wanted."""
    if path := os.environ.get("HISTORY_LOG"):
        with Path(path).open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")


LONG_SECONDS = int(os.environ.get("HISTORY_SECONDS", "3600"))


@pytest.mark.long
@pytest.mark.timeout(LONG_SECONDS + 1_800)
def test_histories_for_an_hour() -> None:
    """Whatever a long history is made of, its answers are those of its documents alone."""
    end = time.monotonic() + LONG_SECONDS
    number = int(os.environ.get("HISTORY_SEED") or random.randrange(10**9))
    while True:
        tell(f"HISTORY_SEED={number}")
        machine = seed(number)(type("Round", (LongHistoryMachine,), {}))
        try:
            run_state_machine_as_test(machine, settings=LONG)
        except BaseException as error:
            tell(f"failed with HISTORY_SEED={number}: {error!r}")
            error.add_note(f"to see it again: HISTORY_SEED={number} make test-long")
            raise
        if time.monotonic() > end:
            tell("done, without a difference")
            return
        number += 1
