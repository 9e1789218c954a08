"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from priorities import give_no_way
from tries import tries
from warm import warm_python

# Before NumPy is imported: threads that wait for the next product, as in a service, sleep soon.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

# Tests are rewritten by pytest, and start hundreds of processes: neither compiles all each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A million objects, most of them of imports: the usual thresholds took a fifth of the time.
gc.set_threshold(20_000, 20, 20)

# A grammar of internationalised addresses, which jsonschema would compile for seconds at import.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# A busy machine is no failure; examples are others in each run, many with EXAMPLES_TIMES.
settings.register_profile("untimed", settings.default, deadline=None, max_examples=tries(40))
settings.load_profile("untimed")


@pytest.fixture
def forked() -> None:
    """Mark a test whose processes begin with torch loaded (see forked.py)."""


@pytest.fixture(scope="module", autouse=True)
def usual_priorities(request: pytest.FixtureRequest) -> Iterator[None]:
    """Work in the background is done like any other, but where NICENESS is what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        if not hasattr(request.module, "NICENESS"):
            give_no_way(warm_python, patch.setattr)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole programs first: of quick tests, none at the end keeps one process for long."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported out of garbage collections; prepare for tests that ask for torch.

    Processes are forked after the import of torch only if a test asks for that.
    """
    gc.freeze()
    if any("forked" in getattr(item, "fixturenames", ()) for item in session.items):
        from forked import FORKED, PRELOADED

        FORKED.set_forkserver_preload([PRELOADED])


def pytest_configure() -> None:
    """Let interrupts through to the processes of tests, which would inherit that they are ignored.

    So it is where a run was started in the background of a shell.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
