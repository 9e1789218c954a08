"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")  # a busy machine is no failure


def pytest_configure() -> None:
    """Let interrupts through to the processes of tests, which would inherit that they are ignored.

    So it is where a run was started in the background of a shell.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
