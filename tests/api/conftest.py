"""A service of its own for each test, asked through its routes only."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from app.main import create_app, uvicorn_config
from app.settings import Settings, load_settings

Connect = Callable[..., TestClient]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings for a data directory of the test's own, with the hashing model."""
    for name in [name for name in os.environ if name.startswith("BEARING_")]:
        monkeypatch.delenv(name)

    def make(**given: object) -> Settings:
        return load_settings(
            **{"data": tmp_path / "data", "cache": tmp_path, "model": "hashing"} | given
        )

    return make


@pytest.fixture
def launch(settings: Callable[..., Settings]) -> Connect:
    """Makes a client whose service runs within ``with``; a fault in it is answered, not raised."""

    def make(**given: object) -> TestClient:
        return TestClient(
            create_app(settings(**given)),
            base_url="http://localhost",
            raise_server_exceptions=False,
        )

    return make


@pytest.fixture
def connect(launch: Connect) -> Iterator[Connect]:
    """Starts a service with such settings, which runs until the test ends."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(launch(**given))


@pytest.fixture
def client(connect: Connect) -> TestClient:
    """A client of a service with default limits."""
    return connect()


@pytest.fixture
def listen(settings: Callable[..., Settings]) -> Iterator[Callable[..., int]]:
    """Starts a service on a real socket, for what only sockets show; gives its port."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(_listening(settings(port=0, **given)))


@contextmanager
def _listening(settings: Settings) -> Iterator[int]:
    server = uvicorn.Server(uvicorn_config(create_app(settings), settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
