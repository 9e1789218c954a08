"""Two processes of the service on three nodes of PostgreSQL, of which the primary is killed.

``make test-cluster`` runs it: 10 times, or as often as CLUSTER_KILLS says.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from cluster import TTL_SECONDS, Cluster, cluster
from serving import START_SECONDS, free_port

from indexer.engines import open_catalogue

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.long, pytest.mark.cluster]

KILLS: Final = int(os.environ.get("CLUSTER_KILLS", "10"))
SEARCH_GAP_SECONDS: Final = 5.0
WRITE_GAP_SECONDS: Final = 1.6 * TTL_SECONDS
STEADY_SECONDS: Final = 3.0
ANCHORS: Final = 30


class Replica:
    """A process of the service without a disk of its own."""

    def __init__(self, url: str, cache: Path) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        self._log = cache / f"{self.address.rpartition(':')[2]}.log"
        inherited = {key: own for key, own in os.environ.items() if not key.startswith("BEARING_")}
        told = {
            "DATA": url,
            "CACHE": str(cache),
            "MODEL": "hashing",
            "HOST": "127.0.0.1",
            "PORT": self.address.rpartition(":")[2],
            "INSECURE": "1",
            "QUEUE_REQUESTS": "200",
        }
        self._environment = inherited | {f"BEARING_{key}": own for key, own in told.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                if httpx.get(f"{self.address}/readyz", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                assert time.monotonic() < end, self._log.read_text()[-2_000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Load:
    """Writers and searchers, by both replicas in turn, and what came of it."""

    def __init__(self, replicas: list[Replica]) -> None:
        self._replicas = replicas
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, int] = {}
        self.written: list[float] = []
        self.searched: list[float] = []
        self.wrong: list[str] = []
        self.behind = self.looked = 0
        self.nearest: list[str] = []
        workers = [*[self._write] * 4, *[self._search] * 4]
        self._threads = [
            threading.Thread(target=work, args=(number,)) for number, work in enumerate(workers)
        ]

    def start(self) -> None:
        """Put what searches are to find, and begin."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            anchors = [
                {"id": f"a{i:02}", "text": f"anchor {i} " * (i + 1), "metadata": {"anchor": True}}
                for i in range(ANCHORS)
            ]
            put = client.put(f"{self._replicas[0].address}/documents", json={"documents": anchors})
            assert put.status_code == 200, put.text
            self.nearest = [hit["id"] for hit in self._ask(client, 0, "dense", 10)["hits"]]
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        for one in self._threads:
            one.join()

    def _ask(self, client: httpx.Client, replica: int, mode: str, k: int) -> dict[str, Any]:
        body = {"query": "anchor 3 anchor", "k": k, "filter": {"anchor": True}, "mode": mode}
        answer = client.post(f"{self._replicas[replica].address}/search", json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _search(self, number: int) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            turn = number
            while not self._stop.wait(0.02):
                turn += 1
                mode, k = ("dense", 10) if turn % 4 < 2 else ("lexical", 2 * ANCHORS)
                try:
                    answer = self._ask(client, turn % 2, mode, k)
                except httpx.HTTPError:
                    continue
                found = [hit["id"] for hit in answer["hits"]]
                if mode == "lexical":  # whose order depends on what else is there
                    found.sort()
                right = self.nearest if mode == "dense" else [f"a{i:02}" for i in range(ANCHORS)]
                with self._lock:
                    self.searched.append(time.monotonic())
                    self.behind += answer.get("behind", False)
                    if found != right:
                        self.wrong.append(f"{mode} found {found}")

    def _write(self, number: int) -> None:
        dice, turn, next_one = random.Random(number), number, 0
        with httpx.Client(trust_env=False, timeout=120) as client:
            while not self._stop.wait(0.02):
                names = [next_one, next_one + 1, dice.randrange(next_one + 1)]
                versions = {f"w{number}-{i}": turn for i in names}
                documents = [
                    {"id": id, "text": f"note {id}", "metadata": {"w": id, "version": version}}
                    for id, version in versions.items()
                ]
                while not self._stop.is_set():  # the same again, until it is acknowledged
                    turn += 1
                    address = self._replicas[turn % 2].address
                    try:
                        put = client.put(f"{address}/documents", json={"documents": documents})
                    except httpx.HTTPError:
                        continue
                    if put.status_code == 200:
                        break
                    time.sleep(0.1)
                else:
                    return
                with self._lock:
                    self.written.append(time.monotonic())
                    self.acknowledged |= versions
                next_one += 2
                self._look(client, (turn + 1) % 2, f"w{number}-{names[0]}")

    def _look(self, client: httpx.Client, replica: int, id: str) -> None:
        """What one replica has acknowledged the other finds at once, unless it says otherwise."""
        body = {"query": "note", "k": 1, "filter": {"w": id}}
        try:
            answer = client.post(f"{self._replicas[replica].address}/search", json=body)
            answer.raise_for_status()
        except httpx.HTTPError:
            return
        found = answer.json()
        with self._lock:
            self.looked += 1
            if [hit["id"] for hit in found["hits"]] != [id] and not found.get("behind"):
                self.wrong.append(f"{id} is unseen")


def longest_gap(moments: list[float], since: float) -> float:
    """The longest time without any, from a moment until the last."""
    later = [since, *sorted(one for one in moments if one >= since)]
    return max((b - a for a, b in itertools.pairwise(later)), default=0.0)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """Three nodes."""
    with cluster(Path(tempfile.mkdtemp(prefix="bearing-cluster-"))) as made:
        yield made


@pytest.mark.timeout(120 * KILLS + 600)
def test_nothing_acknowledged_is_lost_with_the_primary(
    nodes: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor found wrong; searches are interrupted for seconds, writes until there is another."""
    caplog.set_level(logging.WARNING, "httpx")
    replicas = [Replica(nodes.url, tmp_path) for _ in range(2)]
    for one in replicas:
        one.start()
    load = Load(replicas)
    gaps: list[tuple[float, float]] = []
    try:
        load.start()
        for kill in range(KILLS):
            time.sleep(STEADY_SECONDS)
            if kill == KILLS // 2:
                replicas[1].kill()
                time.sleep(STEADY_SECONDS)
                replicas[1].start()
            primary = nodes.primary()
            assert primary is not None
            begun = time.monotonic()
            nodes.kill(primary)
            while nodes.primary() in (None, primary):
                time.sleep(0.2)
            replaced = time.monotonic() - begun
            time.sleep(STEADY_SECONDS)
            nodes.restart(primary)
            nodes.wait_until_whole()
            gaps.append((longest_gap(load.searched, begun), longest_gap(load.written, begun)))
            log.info(
                "kill %d: replaced after %.1f s, no search for %.1f s, no write for %.1f s; "
                "%d documents acknowledged",
                *(kill + 1, replaced, *gaps[-1], len(load.acknowledged)),
            )
        time.sleep(STEADY_SECONDS)
        load.stop()
        log.info(
            "%d searches (%d of a standby), %d writes, %d looked for by the other replica",
            *(len(load.searched), load.behind, len(load.written), load.looked),
        )
    finally:
        load.stop()
        for one in replicas:
            one.kill()
    assert load.wrong == []
    assert lost(nodes.url, load.acknowledged) == []
    assert load.behind > 0 and load.looked > 100
    assert max(search for search, _ in gaps) <= SEARCH_GAP_SECONDS
    assert max(write for _, write in gaps) <= WRITE_GAP_SECONDS


def lost(url: str, acknowledged: dict[str, int]) -> list[str]:
    """The documents that are not there as they were acknowledged, or later; all is sound."""
    catalogue = open_catalogue(url)
    assert catalogue.verify("default", None, lambda _: None).sound
    engine = catalogue.open("default")
    with engine.reading() as state:
        numbers = state.keys(acknowledged)
        there = {one.id: one for one in state.documents(numbers.values()).values()}
    engine.close()
    catalogue.close()
    return [
        id
        for id, version in acknowledged.items()
        if id not in there or int(str(there[id].metadata["version"])) < version
    ]
