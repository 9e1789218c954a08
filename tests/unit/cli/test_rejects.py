"""What becomes of rejects: counted by reason, kept until they are seen, shown, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from called import run_bearing
from typer.testing import Result

from indexer.cli.rejects import MOST_REASONS, Reasons, count_reasons, reason_lines
from indexer.readers.reading import Rejection

GOOD = '{"id": "a", "text": "a bearing is a direction"}'
NO_TEXT = '{"id": "b"}'
OTHER_NO_TEXT = '{"id": "c", "body": "is the text elsewhere?"}'
BAD = "{bad"


def call(folder: Path, *words: str) -> Result:
    """The result of a command on a directory of collections, of the hashing model."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing"}
    return run_bearing(list(words), env=settings)


def index(folder: Path, lines: Iterable[str], *words: str) -> tuple[dict[str, Any], str]:
    """The figures of a run over such lines, and what it says on standard error."""
    given = folder / "given.jsonl"
    given.write_text("".join(f"{line}\n" for line in lines))
    done = call(folder, "index", str(given), *words, "--json")
    return json.loads(done.stdout), done.stderr


def places(file: str | Path) -> list[str]:
    """The places in a file of rejects, without their folder."""
    lines = Path(file).read_text().splitlines()
    return [Path(json.loads(line)["place"]).name for line in lines]


def test_rejects_are_counted_by_reason(tmp_path: Path) -> None:
    """Names and numbers within a reason do not part it; the first of each is shown."""
    figures, said = index(tmp_path, [GOOD, NO_TEXT, BAD, OTHER_NO_TEXT])
    counted = [(one["inputs"], Path(one["first"]).name) for one in figures["reasons"]]
    assert counted == [(2, "given.jsonl:2"), (1, "given.jsonl:3")]
    assert "3 inputs were rejected" in said
    assert "given.jsonl:2 and others: no field 'text'" in said
    assert "given.jsonl:3: not JSON" in said


def test_a_run_without_rejects_counts_none(tmp_path: Path) -> None:
    """There is nothing to tell."""
    figures, said = index(tmp_path, [GOOD])
    assert (figures["reasons"], figures["rejects"]) == ([], None)
    assert "reject" not in said.splitlines()[-1].replace("0 rejected", "")


def test_many_reasons_are_told_in_few_lines() -> None:
    """The most frequent come first; those beyond are counted together."""
    letters = [chr(ord("a") + number) for number in range(14)]
    found = [Rejection("p", f"fault {letter}") for letter in letters] + [Rejection("q", "fault n")]
    lines = list(reason_lines(count_reasons(found)))
    assert lines[0] == "  2  p and others: fault n"
    assert len(lines) == 11
    assert lines[-1] == "  4 more for 4 other reasons"


def test_reasons_take_bounded_room() -> None:
    """However many there are, no input is lost from the count."""
    reasons = Reasons()
    for number in range(2 * MOST_REASONS):
        reasons.add(Rejection("p", "x" * (number + 1)))
    assert len(reasons.counted()) == MOST_REASONS
    assert sum(one.inputs for one in reasons.counted()) == 2 * MOST_REASONS


@pytest.mark.parametrize("then", [[GOOD], [GOOD, NO_TEXT]])
def test_no_later_run_touches_rejects_that_nobody_has_seen(tmp_path: Path, then: list[str]) -> None:
    """Each run's file is where it said; the later run speaks of the earlier."""
    first, _ = index(tmp_path, [GOOD, BAD, BAD])
    second, said = index(tmp_path, then)
    assert places(first["rejects"]) == ["given.jsonl:2", "given.jsonl:3"]
    assert "rejects of an earlier run are kept" in said
    assert "bearing rejects --collection default" in said
    if len(then) > 1:
        assert places(second["rejects"]) == ["given.jsonl:2"]


def test_the_same_rejects_are_kept_once(tmp_path: Path) -> None:
    """A run that is repeated every night fills no folder."""
    first, _ = index(tmp_path, [GOOD, BAD])
    again, said = index(tmp_path, [GOOD, BAD])
    assert first["rejects"] == again["rejects"]
    assert len(list((tmp_path / "data").glob("*.rejects*"))) == 1
    assert "earlier" not in said


def test_rejects_are_shown_until_they_are_cleared(tmp_path: Path) -> None:
    """Showing leaves them; --clear deletes what it shows, and the next run begins anew."""
    index(tmp_path, [BAD])
    index(tmp_path, [GOOD, NO_TEXT, OTHER_NO_TEXT])
    for _ in range(2):
        shown = call(tmp_path, "rejects")
        assert shown.exit_code == 0
        assert "given.jsonl:3: no field 'text', but 'id', 'body'" in shown.stdout
        assert "--clear" in shown.stderr
    told = json.loads(call(tmp_path, "rejects", "--clear", "--json").stdout)
    assert [run["rejected"] for run in told["runs"]] == [1, 2]
    assert [Path(one["place"]).name for one in told["runs"][1]["rejects"]] == [
        "given.jsonl:2",
        "given.jsonl:3",
    ]
    assert not list((tmp_path / "data").glob("*.rejects*"))
    assert "no rejects of 'default'" in call(tmp_path, "rejects").stderr
    figures, said = index(tmp_path, [BAD])
    assert Path(figures["rejects"]).name == "default.rejects.jsonl"
    assert "earlier" not in said


def test_rejects_of_another_collection_stay(tmp_path: Path) -> None:
    """Collections whose names begin alike are told apart."""
    index(tmp_path, [BAD], "--collection", "notes")
    figures, _ = index(tmp_path, [BAD, BAD], "--collection", "notes-2")
    call(tmp_path, "rejects", "--collection", "notes", "--clear")
    assert [path.name for path in (tmp_path / "data").glob("*.rejects*")] == [
        "notes-2.rejects.jsonl"
    ]
    assert len(places(figures["rejects"])) == 2


def test_a_damaged_line_of_rejects_is_told(tmp_path: Path) -> None:
    """What a power cut left of a file can still be seen."""
    figures, _ = index(tmp_path, [BAD])
    with Path(figures["rejects"]).open("a") as file:
        file.write('{"place": "x')
    told = json.loads(call(tmp_path, "rejects", "--json").stdout)
    assert told["runs"][0]["rejects"][1]["reason"] == "this line of the rejects is damaged"


def test_a_rejected_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a file's name are shown as spaces."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "evil\x1b[2J.xyz").write_text("x")
    done = call(tmp_path, "index", str(folder))
    assert "evil" in done.stderr
    assert "\x1b[2J" not in done.stderr + call(tmp_path, "rejects").stdout
