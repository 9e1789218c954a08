"""The commands that list, show and delete documents, on collections here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from called import run_bearing
from typer.testing import Result

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls a command on a collection of 25 documents."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BEARING_MODEL", "hashing")
    lines = [
        {"id": f"d{n:02}", "text": f"word{n} \x1b[31m", "n": n, "odd": n % 2} for n in range(25)
    ]
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert run_bearing(["index", str(tmp_path / "lines.jsonl")]).exit_code == 0
    return lambda *words: run_bearing(["documents", *words])


def figures(done: Result) -> dict:
    """The object that a command has printed."""
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_pages_lead_to_all_documents_once(call: Call) -> None:
    """Each cursor goes on where the page before ended, in the order that was asked for."""
    asked = ["list", "--sort", "n", "--descending", "--filter", '{"odd": 1}', "-n", "5", "--json"]
    page = figures(call(*asked))
    found, total = [one["id"] for one in page["documents"]], page["total"]
    while page["cursor"]:
        page = figures(call(*asked, "--cursor", page["cursor"]))
        found += [one["id"] for one in page["documents"]]
    assert (found, total) == ([f"d{n:02}" for n in range(23, 0, -2)], 12)


def test_people_see_where_a_list_goes_on(call: Call) -> None:
    """Without a document's control characters, and with the number of all."""
    done = call("list", "-n", "2")
    assert "word0" in done.stdout and "\x1b" not in done.stdout
    assert done.stderr.startswith("2 of 25 documents; the next ones: --cursor ")


def test_a_dry_run_deletes_nothing(call: Call) -> None:
    """It says how many would go, and the first of them."""
    said = figures(call("delete", "--filter", '{"n": {"$lt": 12}}', "--dry-run", "--json"))
    assert said == {
        "deleted": 0,
        "found": 12,
        "first": [f"d{n:02}" for n in range(10)],
        "missing": [],
    }
    assert "and 2 others" in call("delete", "--filter", '{"n": {"$lt": 12}}', "--dry-run").stdout
    assert figures(call("list", "--json"))["total"] == 25


def test_nothing_is_deleted_without_a_yes(call: Call) -> None:
    """Where nobody can be asked, it is refused with the option that answers."""
    done = call("delete", "d01", "d01", "nowhere")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Delete 1 document of 'default'? Say --yes" in done.stderr
    done = call("delete", "d01", "d01", "nowhere", "--yes")
    assert done.stdout == "deleted 1 document of 'default'\n"
    assert "there is no document 'nowhere'" in done.stderr
    assert figures(call("delete", "d01", "--yes", "--json"))["deleted"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["delete"], "one of both"),
        (["delete", "a", "--filter", '{"n": 1}'], "one of both"),
        (["delete", "--filter", "{}", "--yes"], "bearing collections delete default"),
        (["delete", "--filter", "null", "--yes"], "bearing collections delete default"),
        (["list", "--fields", "colour"], "none of"),
        (["list", "--filter", "[1]"], "filter"),
        (["list", "--limit", "0"], "--limit"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Call, words: list[str], said: str) -> None:
    """With what is allowed; nothing is deleted."""
    done = call(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert figures(call("list", "--json"))["total"] == 25
