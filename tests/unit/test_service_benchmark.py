"""The benchmark of the service: what it searches, what it counts; no figure of time is judged."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.servers import Server, cpu_seconds, free_port, running
from benchmarks.service import lasting, load, parse_arguments, read_texts, resident_mb


def test_texts_are_distinct_and_as_many_as_wanted(tmp_path: Path) -> None:
    """Lines and JSON Lines are read, packed or not; too few are numbered."""
    lines = tmp_path / "lines.txt"
    lines.write_text("one\ntwo\n\none\nthree\n")
    assert read_texts(lines, 2) == ["one", "two"]
    assert read_texts(lines, 5) == ["one", "two", "three", "1 one", "1 two"]
    packed = tmp_path / "texts.jsonl.gz"
    with gzip.open(packed, "wt") as file:
        for title, text in (("A", "b"), (None, "c"), ("D", "")):
            file.write(json.dumps({"title": title, "text": text}) + "\n")
    assert read_texts(packed, 3) == ["A b", "c", "D"]


def test_without_a_file_the_standard_library_is_read() -> None:
    """So that it runs on any machine."""
    texts = read_texts(None, 500)
    assert len(set(texts)) == 500 and all(texts)


def test_memory_counts_the_processes_that_were_started() -> None:
    """A parent's figure includes its child's, and an ended process counts nothing."""
    own = resident_mb(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as child:
        while not resident_mb(child.pid):
            pass  # it is just becoming its own program
        child.kill()
    assert own > 10
    assert resident_mb(child.pid) == 0


def test_peers_are_chosen_by_name() -> None:
    """All that are known by default; none if none is named."""
    assert parse_arguments([]).peers == ["txtai", "chroma"]
    assert parse_arguments(["--peers"]).peers == []


def test_memory_is_compared_with_that_of_the_second_minute() -> None:
    """So less than three minutes are refused."""
    assert parse_arguments([]).minutes == 0
    assert parse_arguments(["--minutes", "3"]).minutes == 3
    with pytest.raises(SystemExit):
        parse_arguments(["--minutes", "2"])


def test_a_start_is_timed_until_the_server_answers(tmp_path: Path) -> None:
    """Processor time counts too: here half a second before the server listens."""
    program = (
        "import http.server, sys, time\n"
        "while time.process_time() < 0.5: pass\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])),"
        " http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    port = free_port()
    command = [sys.executable, "-c", program, str(port)]
    with running(command, tmp_path, {}, f"http://127.0.0.1:{port}/") as (pid, start):
        assert 0.4 <= start.cpu_seconds <= start.seconds
        assert cpu_seconds(pid) >= start.cpu_seconds
    assert cpu_seconds(pid) == 0


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """A server that answers with these statuses in turn."""
    turns = iter(range(1 << 30))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(statuses[next(turns) % len(statuses)])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_answers_are_counted_by_kind(tmp_path: Path) -> None:
    """503 is told from other errors, and only 200 counts as an answer."""
    bodies = tmp_path / "bodies"
    bodies.write_text('{"query": "a"}\n{"query": "b"}\n')
    with answering(200, 503, 500, 200) as url:
        seen = load(Server(url, "/search", bodies, os.getpid()), clients=1, seconds=1)
    assert seen["answered"] > 0
    assert abs(seen["answered"] - 2 * seen["busy"]) <= 2
    assert abs(seen["failed"] - seen["busy"]) <= 1
    assert seen["errors"] >= seen["failed"] > 0
    assert seen["p99_ms"] >= seen["p50_ms"] > 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_memory_that_grows_under_load_is_told(tmp_path: Path) -> None:
    """The later over the earlier, of the process that is loaded."""
    bodies = tmp_path / "bodies"
    bodies.write_text('{"query": "a"}\n')
    grow = "import time; kept = []\nwhile True: kept.append(b'1' * 10**6); time.sleep(0.02)"
    with answering(200) as url, subprocess.Popen([sys.executable, "-c", grow]) as growing:
        seen = lasting(Server(url, "/search", bodies, growing.pid), 1, 2)
        growing.kill()
    assert seen["rss_mb_late"] > seen["rss_mb_early"] + 5
    assert seen["ratio_rss_lasting"] > 1
