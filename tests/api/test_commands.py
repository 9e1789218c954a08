"""Commands that ask a service, held against the same commands on the collections that it serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from called import run_bearing
from typer.testing import Result

LINES = [
    {
        "id": "a/é ?#",
        "title": "Cats",
        "text": "a cat on the moon",
        "year": 2020,
        "tags": ["x", "y"],
    },
    {"id": "b", "text": "the dog barks at the moon", "year": 2021},
    {"id": "c", "text": "nothing of the kind", "kind": "last"},
]
YEAR = '{"year": {"$gte": 2020}}'
READING = [
    ["search", "the moon", "-k", "2"],
    ["search", "the moon", "--json", "--explain", "--facet", "year", "--temperature", "0.1"],
    ["search", "moon", "--filter", YEAR, "--fields", "title,metadata.year", "--json"],
    ["search", "moon", "--facet", "year", "--group-by", "year", "--explain"],
    ["search", "moon", "--filter", '{"colour": 1}'],
    ["search", "--like", "b", "--unlike-text", "a cat", "--strategy", "best"],
    ["search", "moon", "--mode", "lexical", "--min-score", "0.1", "--passages-only", "--json"],
    ["documents", "list", "--sort", "year", "--descending", "--limit", "2"],
    ["documents", "list", "--filter", YEAR, "--fields", "title", "--json"],
    ["documents", "list", "--filter", '{"colour": 1}'],
    ["documents", "get", "a/é ?#"],
    ["documents", "get", "a/é ?#", "--json"],
    ["documents", "delete", "b", "nowhere", "--dry-run"],
    ["documents", "delete", "--filter", YEAR, "--dry-run", "--json"],
    ["collections"],
    ["collections", "list", "--json"],
    ["stats"],
    ["stats", "--json"],
    ["diagnose", "--json"],
    ["diagnose", "--duplicates"],
    ["diagnose", "--duplicates", "--json"],
    ["feedback", "export"],
    ["alias", "list", "--json"],
    ["models", "--json"],
    ["export", "-"],
    ["similarity", "a cat", "the moon", "--metric", "dot", "--temperature", "1"],
    ["similarity", "a cat", "--against", "the moon", "--metric", "mahalanobis", "--json"],
]
REFUSED = [
    (["search", "x", "-c", "nowhere"], 1),
    (["documents", "get", "nowhere"], 1),
    (["documents", "delete", "b", "-c", "nowhere", "--yes"], 1),
    (["documents", "list", "--cursor", "nonsense"], 2),
    (["search", "x", "--diversity", "0.5", "--like", "a"], 2),
]

Call = Callable[..., Result]

PROGRESS = re.compile(r"^[a-z ]+: \d+ of \d+\n", re.MULTILINE)
"""How far a command is, of which a service does not tell."""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: object) -> Call:
    """Calls a command on collections of the test's own; settings have cleared the environment."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BEARING_MODEL", "hashing")
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in LINES))
    assert run_bearing(["index", str(tmp_path / "lines.jsonl")]).exit_code == 0
    return lambda *words, **more: run_bearing(list(words), **more)


@pytest.fixture
def at(call: Call, listen: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path) -> Call:
    """Calls a command on a service of the same collections, whose key is in the environment."""
    port = listen(api_keys="right", audit_log="off", data=tmp_path / "data")
    monkeypatch.setenv("BEARING_API_KEY", "right")
    url = ("--url", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "elsewhere"))
    return lambda *words, **more: call(*words, *url, **more)


def settled(printed: str) -> object:
    """What was printed, without the times it took."""
    try:
        figures = json.loads(printed)
    except ValueError:
        return re.sub(r" +\n", "\n", printed)
    for name in ("took_ms", "seconds"):
        figures.pop(name, None)
    return figures


def test_a_service_answers_commands_as_collections_here_do(
    call: Call, listen: Callable[..., int], tmp_path: Path
) -> None:
    """Each command that reads prints the same, and ends with the same code."""
    here = [call(*words) for words in READING]
    url = f"http://127.0.0.1:{listen(data=tmp_path / 'data', audit_log='off')}"
    for words, local in zip(READING, here, strict=True):
        remote = call(*words, "--url", url)
        assert (words, remote.exit_code) == (words, local.exit_code)
        assert settled(remote.stdout) == settled(local.stdout), words
        assert PROGRESS.sub("", remote.stderr) == PROGRESS.sub("", local.stderr)
    assert all(done.exit_code == 0 for done in here)


@pytest.mark.parametrize(("words", "code"), REFUSED)
def test_a_refusal_says_who_refused_and_why(at: Call, words: list[str], code: int) -> None:
    """With the exit code that the command has on collections here, and one object by --json."""
    done = at(*words, "--json")
    error = json.loads(done.stdout)
    assert (done.exit_code, error["exit_code"]) == (code, code)
    assert "refused (4" in error["error"] or code == 2


def test_a_service_wants_its_key(at: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the error names the option and the variable that give it."""
    monkeypatch.delenv("BEARING_API_KEY")
    done = at("stats")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "401" in done.stderr and "BEARING_API_KEY" in done.stderr
    assert at("stats", "--api-key", "right").exit_code == 0


def test_documents_of_a_service_are_deleted(at: Call) -> None:
    """By ids that exist, then by a filter; others stay."""
    assert json.loads(at("documents", "delete", "b", "nowhere", "--yes", "--json").stdout) == {
        "deleted": 1,
        "found": 1,
        "first": ["b"],
        "missing": ["nowhere"],
    }
    assert at("documents", "delete", "--filter", YEAR, "--yes").stdout.startswith("deleted 1 doc")
    assert [
        one["id"] for one in json.loads(at("documents", "list", "--json").stdout)["documents"]
    ] == ["c"]


def test_what_a_service_chooses_itself_is_no_option(call: Call, at: Call) -> None:
    """Its models are those it was started with, and its address has a scheme."""
    assert "leave it out" in at("search", "moon", "--reranker", "overlap").stderr
    assert "leave it out" in at("similarity", "a", "b", "--model", "hashing").stderr
    assert "like http://localhost:8000" in call("stats", "--url", "localhost").stderr


def test_a_service_backs_up_restores_and_cuts_anew(at: Call, call: Call, tmp_path: Path) -> None:
    """By jobs, which the commands follow; the file is one that a command here restores, too."""
    file = str(tmp_path / "there.tar")
    made = json.loads(at("backup", file, "--json").stdout)
    assert (made["documents"], made["path"]) == (3, file)
    again = at("backup", file)
    assert (again.exit_code, "never overwrites" in again.stderr) == (1, True)
    assert "restored 'copy': 3 documents" in " ".join(
        at("restore", file, "-c", "copy").stdout.split()
    )
    taken = at("restore", file, "-c", "copy")
    assert (taken.exit_code, "409" in taken.stderr) == (1, True)
    moved = json.loads(at("reindex", "-c", "copy", "--chunk-by", "pages", "--json").stdout)
    assert (moved["total"], moved["chunking"]["by"]) == (3, "pages")
    failed = at("reindex", "-c", "copy", "--model", "no such model")
    assert (failed.exit_code, "the job is failed" in failed.stderr) == (1, True)
    assert call("restore", file, "-c", "here").exit_code == 0
    assert (
        at("restore", file).exit_code == at("backup", "--all", str(tmp_path / "x")).exit_code == 2
    )


def test_collections_of_a_service_are_made_and_deleted(at: Call) -> None:
    """With a model, a language and a way to cut of their own; one that is there is refused."""
    made = at("collections", "create", "new", "--model", "hashing", "--chunk-size", "100", "--json")
    figures = json.loads(made.stdout)
    assert (figures["name"], figures["chunking"]["size"]) == ("new", 100)
    again = at("collections", "create", "new")
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    assert at("collections", "delete", "new", "--yes", "--json").exit_code == 0
    assert at("collections", "delete", "new", "--yes").exit_code == 1


def test_a_service_exports_to_a_file_here(at: Call, call: Call, tmp_path: Path) -> None:
    """As JSON Lines, packed or not, with a filter; indexed here, nothing is embedded."""
    for name in ("all.jsonl", "all.jsonl.gz"):
        file = str(tmp_path / name)
        made = json.loads(at("export", file, "--json").stdout)
        assert (made["documents"], made["chunks"], made["collection"]) == (3, 3, "default")
        done = json.loads(call("index", file, "-c", name.replace(".", "-"), "--json").stdout)
        assert (done["written"], done["tokens"]) == (3, 0)
    there = at("export", file)
    assert (there.exit_code, "--force" in there.stderr) == (1, True)
    some = json.loads(at("export", file, "--force", "--filter", YEAR, "--json").stdout)
    assert some["documents"] == 2
    refused = at("export", str(tmp_path / "all.parquet"))
    assert (refused.exit_code, "JSON Lines" in refused.stderr) == (2, True)
    lost = at("export", str(tmp_path / "lost.jsonl"), "-c", "nowhere")
    assert (lost.exit_code, (tmp_path / "lost.jsonl").exists()) == (1, False)


def test_a_map_of_a_service_is_waited_for(at: Call) -> None:
    """Until it knows all documents; drawing anew is not asked of a service."""
    found = json.loads(at("map", "--json").stdout)
    assert (found["documents"], found["late"]) == (3, 0)
    assert at("map", "--anew").exit_code == 2
    lost = at("models", "nothing")
    assert (lost.exit_code, "no model 'nothing' was trained" in lost.stderr) == (1, True)
