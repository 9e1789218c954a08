"""The service as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient
from warm import warm_python

from app.main import create_app
from app.settings import load_settings

START_SECONDS = 120


@contextmanager
def running_service(
    data: Path, settings: Mapping[str, str], command: str = "serve", seconds: int = START_SECONDS
) -> Iterator[str]:
    """The address of a service on a directory of collections; it is stopped in the end.

    Settings are those of the README's table without ``BEARING_``; the environment's are not used.
    It may take so many seconds until it is ready.
    Raises RuntimeError with what the process wrote if it ends before it is ready.
    """
    port = free_port()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    given = {"DATA": str(data), "HOST": "127.0.0.1", "PORT": str(port), **settings}
    environment = inherited | {f"BEARING_{key}": value for key, value in given.items()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*warm_python(), "-m", "app.cli", command],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if not _is_ready(process, url, seconds):
                log.seek(0)
                raise RuntimeError(f"the service did not start: {log.read().decode()}")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def free_port() -> int:
    """A port that no one listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(process: subprocess.Popen[bytes], url: str, seconds: int) -> bool:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return True
        except httpx.TransportError:
            time.sleep(0.05)
    return False


@contextmanager
def service_here(
    folder: Path, *, data: str | None = None, raise_errors: bool = True
) -> Iterator[TestClient]:
    """A client of a service of the hashing model in this process, whatever the environment says.

    Collections are in the folder, unless ``data`` says where.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("BEARING_")]:
            patch.delenv(name)
        settings = load_settings(
            data=data or folder, cache=folder, model="hashing", audit_log="off"
        )
    with TestClient(
        create_app(settings), base_url="http://localhost", raise_server_exceptions=raise_errors
    ) as made:
        yield made
