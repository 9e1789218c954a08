"""Commands as processes of their own: signals, closed files, and the address of a service."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image
from warm import warm_python

from app.demonstration import sample_photos

SECONDS = 60


def start(
    folder: Path, *words: str, closed: Sequence[int] = (), model: str = "hashing"
) -> subprocess.Popen[str]:
    """A command on a directory of collections; with standard files closed, an interpreter anew."""
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": model, "PYTHONWARNINGS": ""}
    shut = " ".join(f"{descriptor}>&-" for descriptor in closed)
    python = [sys.executable] if closed else warm_python()
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {shut}', "sh", *python, "-m", "app.cli", *words],
        env=inherited | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_commits_and_says_how_to_go_on(
    tmp_path: Path, interrupt: signal.Signals
) -> None:
    """It ends with 1 and one object; what was embedded is there when the command runs again."""
    process = start(tmp_path, "index", "-", "--json")
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write('{"id": "a", "text": "a direction"}\n')
    process.stdin.flush()
    while "committed 1 documents" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(interrupt)
    assert process.wait(SECONDS) == 1
    assert "again to go on" in process.stderr.read()
    assert process.stdout is not None
    assert json.loads(process.stdout.read())["exit_code"] == 1
    process.stdin.close()
    again = start(tmp_path, "index", "-", "--json")
    answer, _ = again.communicate('{"id": "a", "text": "a direction"}\n', SECONDS)
    assert json.loads(answer)["unchanged"] == 1
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]])
def test_closed_standard_files_are_no_place_for_data(tmp_path: Path, closed: list[int]) -> None:
    """Documents are stored whichever of them are closed, and no file takes their numbers."""
    given = tmp_path / "a.txt"
    given.write_text("a direction")
    process = start(tmp_path, "index", str(given), closed=closed)
    _, complaint = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, complaint
    found, _ = start(tmp_path, "search", "direction", "--json").communicate(timeout=SECONDS)
    assert len(json.loads(found)["hits"]) == 1


def test_a_service_says_where_it_is_once_it_answers(tmp_path: Path) -> None:
    """Port 0 is any free one, which the address names; Ctrl-C is a good end."""
    process = start(tmp_path, "serve", "--port", "0", "--json")
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    assert httpx.get(f"{url}readyz", trust_env=False).json() == {"status": "ready"}
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=SECONDS)[0] == ""
    assert process.returncode == 0


def test_a_taken_port_is_an_error_of_one_line(tmp_path: Path) -> None:
    """It ends with 1, not with the 3 of rejected inputs, before anything is opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(tmp_path, "serve", "--port", port, "--json")
        answer, complaint = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert f"port {port}" in json.loads(answer)["error"]
    assert complaint.startswith("bearing: cannot listen")
    assert not (tmp_path / "data").exists()


def test_a_service_that_cannot_open_its_data_says_why(tmp_path: Path) -> None:
    """It ends with 1 and the library's error, without a traceback and without an address."""
    (tmp_path / "data").write_text("no directory")
    process = start(tmp_path, "serve", "--port", "0", "--json")
    answer, complaint = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "cannot create" in json.loads(answer)["error"]
    assert "Traceback" not in complaint


def test_a_demonstration_serves_while_it_is_indexed(tmp_path: Path) -> None:
    """It answers before all is there, what is committed is found, and the end keeps it."""
    with start(tmp_path, "demo", "--port", "0", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = json.loads(process.stdout.readline())
        assert said["collection"] == "default"
        while "committed" not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        place = f"{said['url']}collections/default"
        some = httpx.get(place, trust_env=False).json()["documents"]
        body = {"query": "a timer", "k": 1}
        found = httpx.post(f"{place}/search", json=body, trust_env=False).json()
        assert len(found["hits"]) == 1
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(SECONDS) == 0, rest
    assert "documents are committed" in rest
    assert "Traceback" not in rest
    figures, _ = start(tmp_path, "stats", "--json").communicate(timeout=SECONDS)
    assert json.loads(figures)["documents"] >= some > 0


def test_a_demonstration_shows_photos_of_ones_own(tmp_path: Path) -> None:
    """The images of a folder come into a collection of photos, which is searched by words."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, colour in (("red.png", (200, 20, 20)), ("blue.png", (20, 20, 200))):
        Image.new("RGB", (40, 30), colour).save(folder / name)
    words = ("demo", "--images", str(folder), "--port", "0", "--json")
    with start(tmp_path, *words, model="hashing-images") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = json.loads(process.stdout.readline())
        assert said["collection"] == "photos"
        while "2 documents written" not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        place = f"{said['url']}collections/photos"
        found = httpx.post(f"{place}/search", json={"query": "red"}, trust_env=False).json()
        ids = [hit["id"] for hit in found["hits"]]
        assert sorted(ids) == ["mine/blue.png", "mine/red.png"]
        thumbnail = f"{place}/documents/{quote(ids[0], safe='')}/thumbnail"
        small = httpx.get(thumbnail, trust_env=False)
        assert small.headers["content-type"] == "image/jpeg"
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_the_demonstrations_photos_are_there() -> None:
    """Every photo that is shown where no folder is named comes with the extra, and opens."""
    pytest.importorskip("skimage")
    photos = sample_photos()
    assert len(photos) > 15
    for photo in photos:
        with Image.open(photo) as image:
            assert min(image.size) > 100


def test_a_demonstration_takes_another_port_if_its_own_is_taken(tmp_path: Path) -> None:
    """The address that it prints is the one on which it answers."""
    from app.main import bind

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with bind("127.0.0.1", port, tries=20) as listener:
            assert port < listener.getsockname()[1] < port + 20
