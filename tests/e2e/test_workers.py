"""Several worker processes on one data directory, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import START_SECONDS, free_port

WORKERS = 2


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address and the parent process of a service with two workers, once it says so."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    given = {"MODEL": "hashing", "DATA": str(data), **settings}
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--workers", str(WORKERS), "--port", str(port)],
        env=inherited | {f"BEARING_{key}": value for key, value in given.items()},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = []
        while "in a browser" not in (line := process.stderr.readline()):
            assert line, "".join(said)
            said.append(line)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.communicate(timeout=START_SECONDS)


def worker_pids(process: subprocess.Popen[str]) -> set[int]:
    """The worker processes; multiprocessing's own tracker is none."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {pid for pid in map(int, listed) if "spawn_main" in command_of(pid)}


def command_of(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail if it does not come."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(url: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, whichever worker is asked."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return sum(
        one.value
        for family in families
        for one in family.samples
        if one.name == name and labels.items() <= one.labels.items()
    )


Service = tuple[str, subprocess.Popen[str]]


@pytest.fixture(scope="module")
def started() -> Iterator[list[tuple[ExitStack, Service]]]:
    """The services that were started for tests of this file."""
    found: list[tuple[ExitStack, Service]] = []
    yield found
    for stack, _ in found:
        stack.close()


@pytest.fixture
def service(started: list[tuple[ExitStack, Service]], tmp_path: Path) -> Service:
    """A service that is there for all tests, until one stops it."""
    if not started or started[-1][1][1].poll() is not None:
        stack = ExitStack()
        started.append((stack, stack.enter_context(serving(tmp_path))))
    return started[-1][1]


def test_workers_are_one_service(service: Service) -> None:
    """What one worker writes all find at once, and the counts are those of all."""
    url, _ = service
    for number in range(10):  # each request on a connection of its own
        document = {"id": f"one {number}", "text": f"document number {number}"}
        written = httpx.put(f"{url}/documents", json={"documents": [document]})
        assert written.json()["written"] == 1
        for _ in range(3):
            body = {"query": document["text"], "k": 1}
            found = httpx.post(f"{url}/search", json=body).json()
            assert found["hits"][0]["id"] == document["id"]
    assert told(url, "bearing_requests_total", route="/search") == 30
    for stage, count in (("find", 30), ("store", 10)):
        assert told(url, "bearing_stage_duration_seconds_count", stage=stage) == count
    assert told(url, "bearing_tokens_embedded_total") > 40


def test_writes_to_several_workers_at_once_all_succeed(service: Service) -> None:
    """Workers wait for one another's writes; every acknowledged document is there."""
    url, _ = service

    def write(number: int) -> int:
        body = {"documents": [{"id": f"many {number}", "text": f"document {number}"}]}
        return httpx.put(f"{url}/documents", json=body, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(40))) == {200}
    listed = httpx.get(f"{url}/documents", params={"limit": 1000}).json()["documents"]
    assert {f"many {number}" for number in range(40)} <= {one["id"] for one in listed}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_worker_that_dies_is_replaced(service: Service) -> None:
    """The service goes on with as many workers as before."""
    url, process = service
    before = worker_pids(process)
    assert len(before) == WORKERS
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in worker_pids(process) and len(worker_pids(process)) == WORKERS)
    until(lambda: answers(url))


def answers(url: str) -> bool:
    """Whether ten searches in a row are answered."""
    try:
        return all(
            httpx.post(f"{url}/search", json={"query": "number 3"}).status_code == 200
            for _ in range(10)
        )
    except httpx.TransportError:
        return False


def test_a_stop_answers_what_was_accepted(service: Service) -> None:
    """A request whose body is still coming at SIGTERM is answered, and the exit code is 0."""
    body = json.dumps({"documents": [{"id": "a", "text": "a document"}]}).encode()
    url, process = service

    def coming() -> Iterator[bytes]:
        yield body[:9]
        time.sleep(1)  # by now a worker has begun the request
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        yield body[9:]

    headers = {"Content-Type": "application/json"}
    answer = httpx.put(f"{url}/documents", content=coming(), headers=headers, timeout=60)
    assert answer.json()["written"] == 1
    assert process.wait(START_SECONDS) == 0


def test_a_service_that_cannot_start_says_why_once(tmp_path: Path) -> None:
    """A wrong data directory ends all with 1 and the reason, not with an endless restart."""
    wrong = tmp_path / "file"
    wrong.write_text("no directory")
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", "--workers", "2", "--port", "0"],
        env={**os.environ, "BEARING_DATA": str(wrong), "BEARING_MODEL": "hashing"},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert str(wrong) in done.stderr
    assert "Traceback" not in done.stderr
