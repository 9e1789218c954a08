"""The audit log and the log: who changed what, under which request, and never a text or a key."""

from __future__ import annotations

import json
import logging
import logging.config
from pathlib import Path

import pytest
from pages import PAGES, blocks
from shown import layout

from app.logs import REQUEST_ID, JsonFormatter, logging_config
from app.main import create_app
from app.middleware.audit import AuditLog
from app.settings import LogFormat
from indexer.errors import StorageFailed

KEYS = "ann:admin:key-of-ann, bob:search:key-of-bob"
ANN, BOB = {"x-api-key": "key-of-ann"}, {"x-api-key": "key-of-bob"}
DOCUMENTS = {"documents": [{"id": "secret-id", "text": "secret text", "metadata": {"a": "secret"}}]}


def lines(path: Path) -> list[dict[str, object]]:
    """What was written, each line an object."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def audited(connect, tmp_path: Path):
    """A service with keys, and the file of its audit log."""
    path = tmp_path / "audit.log"
    return connect(api_keys=KEYS, audit_log=str(path)), path


def test_each_write_and_admin_call_is_a_line(audited) -> None:
    """With who, what, where, how much and how it ended; searches and reads are no lines."""
    client, path = audited
    client.put("/collections/c", json={}, headers=ANN)
    client.put("/collections/c/documents", json=DOCUMENTS, headers=ANN | {"x-request-id": "r-1"})
    body = b'{"id": "x", "text": "y"}\nrubbish\n'
    client.post("/documents/import", content=body, headers=ANN)
    client.post("/collections/c/documents/delete", json={"ids": ["secret-id"]}, headers=ANN)
    client.delete("/documents/secret-id", headers=ANN)
    client.delete("/collections/c", headers=ANN)
    client.post("/admin/similarity", json={"a": ["secret"]}, headers=ANN)
    client.post("/search", json={"query": "secret"}, headers=ANN)
    client.get("/documents", headers=ANN)
    seen = [
        (line["method"], line["route"], line["collection"], line["status"], line["counts"])
        for line in lines(path)
    ]
    assert seen == [
        ("PUT", "/collections/{collection}", "c", 201, {}),
        ("PUT", "/collections/{collection}/documents", "c", 200, {"written": 1, "unchanged": 0}),
        (
            "POST",
            "/documents/import",
            "default",
            200,
            {"written": 1, "unchanged": 0, "rejected": 1},
        ),
        ("POST", "/collections/{collection}/documents/delete", "c", 200, {"deleted": 1}),
        ("DELETE", "/documents/{id:path}", "default", 404, {}),
        ("DELETE", "/collections/{collection}", "c", 204, {}),
        ("POST", "/admin/similarity", None, 200, {}),
    ]
    second = lines(path)[1]
    assert second["request_id"] == "r-1"
    assert (second["key"], second["role"], second["audit"]) == ("ann", "admin", "write")
    assert second["time"].endswith("+00:00")
    assert "secret" not in path.read_text()
    assert "key-of" not in path.read_text()


def test_the_line_that_is_shown_is_one(audited) -> None:
    """The page on security shows the keys that a write's line has, in their order."""
    client, path = audited
    client.put("/collections/c", json={}, headers=ANN)
    client.put("/collections/c/documents", json=DOCUMENTS, headers=ANN)
    _, line = path.read_text().splitlines()
    security = next(page for page in PAGES if page.name == "security.md")
    shown = [block.code for block in blocks(security) if block.code.startswith('{"audit"')]
    assert [list(layout(one).items()) for one in shown] == [list(layout(line).items())]


def test_what_a_key_was_refused_or_failed_is_a_line_too(audited) -> None:
    """A write that a key may not, or that is wrong, stands there with its status."""
    client, path = audited
    client.put("/documents", json=DOCUMENTS, headers=BOB)
    client.put("/documents", json={"documents": 3}, headers=ANN)
    client.put("/documents", json=DOCUMENTS)
    client.put("/nowhere", json=DOCUMENTS, headers=ANN)
    assert [(line["key"], line["status"]) for line in lines(path)] == [("bob", 403), ("ann", 422)]


def test_without_keys_anyone_is_written_down(connect, tmp_path: Path) -> None:
    """The address is what is known then."""
    path = tmp_path / "audit.log"
    connect(audit_log=str(path)).put("/documents", json=DOCUMENTS)
    (line,) = lines(path)
    assert (line["key"], line["address"]) == ("anyone", "testclient")


def test_the_audit_log_may_be_off_or_on_standard_error(connect, capsys) -> None:
    """`off` writes nothing; `-`, the default, one line to standard error."""
    connect(audit_log="off").put("/documents", json=DOCUMENTS)
    assert '"audit"' not in capsys.readouterr().err
    connect().put("/documents", json=DOCUMENTS)
    written = [line for line in capsys.readouterr().err.splitlines() if '"audit"' in line]
    assert len(written) == 1


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As logrotate does it; what was in the file stays where it went."""
    path = tmp_path / "audit.log"
    log = AuditLog(str(path))
    log.write({"n": 1})
    path.rename(tmp_path / "old.log")
    log.write({"n": 2})
    log.close()
    assert (lines(tmp_path / "old.log"), lines(path)) == ([{"n": 1}], [{"n": 2}])


def test_a_file_that_cannot_be_written_keeps_the_service_from_starting(settings, tmp_path) -> None:
    """Better than changes that nobody can account for."""
    with pytest.raises(StorageFailed, match="BEARING_AUDIT_LOG"):
        create_app(settings(audit_log=str(tmp_path / "no" / "such" / "folder")))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, on Linux only")
def test_a_line_that_is_lost_is_said_to_be(caplog) -> None:
    """A full disk does not stop the service; the line stands in the log instead."""
    log = AuditLog("/dev/full")
    log.write({"n": 1})
    log.close()
    assert "the audit log lacks this line" in caplog.text


def test_a_log_of_json_holds_one_object_a_line() -> None:
    """With the request's id and the traceback, whatever stands in the message."""
    token = REQUEST_ID.set("r-2")
    error = ValueError("bad\nnews \ud800")
    raised = (ValueError, error, None)
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "a\n%s", ("\udcff",), raised)
    line = JsonFormatter().format(record)
    REQUEST_ID.reset(token)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["level"], read["request_id"]) == ("error", "r-2")
    assert read["message"] == "a\n\\udcff"
    assert "ValueError" in read["exception"]


@pytest.mark.parametrize("form", list(LogFormat))
def test_the_log_has_the_form_that_is_set(settings, form) -> None:
    """The configuration names one formatter for all that is logged."""
    config = logging_config(settings(log_format=form))
    assert (config["formatters"]["line"]["()"] is JsonFormatter) == (form is LogFormat.JSON)
    assert config["loggers"]["app"]["level"] == "INFO"
