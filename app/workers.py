"""Several worker processes behind one socket, each with its own model and interpreter.

They share the data directory, and with it the system's page cache; what one writes the others
follow. The first makes what is missing (the collection ``default``, the converted model), then
the others start. One that dies is replaced; one that cannot start stops all.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Final

from prometheus_client.multiprocess import mark_process_dead
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from app.main import Launch, create_app, open_keys, uvicorn_config
from app.middleware.metrics import METRICS_FOLDER
from app.settings import Settings, load_settings
from indexer.cli.runtime import tune_interpreter

START_SECONDS: Final = 600.0
"""The time a worker has until it answers: the first may have to convert the model."""

HEALTH_SECONDS: Final = 60
"""A worker whose interpreter gives no sign of life for this long is replaced."""


log = logging.getLogger("uvicorn.error")
"""The process's own log: its start, its end, and what prevented the start."""


class Workers(Multiprocess):
    """The workers of one service, the first of which starts before the others."""

    def __init__(
        self, settings: Settings, listener: socket.socket, on_ready: Callable[[], None]
    ) -> None:
        config = uvicorn_config("app.workers:make_app", settings)
        config.factory = True
        config.workers = settings.workers
        config.timeout_worker_healthcheck = HEALTH_SECONDS
        super().__init__(config, [listener])
        self._on_ready = on_ready
        self.failed = False

    def init_processes(self) -> None:
        """Start the workers, and report it once all answer."""
        while len(self.processes) < self.processes_num and not self.should_exit.is_set():
            process = Process(self.config, self.sockets)
            process.start()
            self.processes.append(process)
            if len(self.processes) == 1 and not self._is_ready(process):
                return
        if all(self._is_ready(process) for process in self.processes):
            self._on_ready()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died, and drop their share of the gauges."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def _is_ready(self, process: Process) -> bool:
        """Return whether a worker answers in time; else stop all. Signals are handled meanwhile."""
        waited = 0.0
        while waited < START_SECONDS and not self.should_exit.is_set():
            self.handle_signals()
            if process.wait_until_ready(1.0, self.should_exit):
                return True
            if not process.process.is_alive():
                break
            waited += 1.0
        self.failed = not self.should_exit.is_set()
        self.should_exit.set()
        return False


def run_workers(
    settings: Settings, listener: socket.socket, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Serve from several processes until SIGINT or SIGTERM; accepted requests are answered first.

    Raises SystemExit (1) if they cannot start, after the first has said why. Raises InvalidInput
    if the keys are wrong.
    """
    open_keys(settings)
    with tempfile.TemporaryDirectory(prefix="bearing-metrics-") as folder:
        os.environ |= settings.as_environment() | {METRICS_FOLDER: folder}
        workers = Workers(settings, listener, on_ready)
        workers.run()
    if workers.failed:
        raise SystemExit(1)


class Worker(Launch):
    """The app in a worker; one of our errors that prevents its start is reported at once."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.failure is not None:
                log.error("%s", self.failure)


def make_app() -> ASGIApp:
    """The app of one worker, with the settings that the parent put into the environment."""
    tune_interpreter()
    return Worker(create_app(load_settings()))
