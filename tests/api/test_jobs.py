"""Backups, restores and moves to another model as jobs: how they go, end, and are taken away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.schemas.jobs import JobKind, JobState
from app.serving.instruments import Instruments
from app.serving.job_records import FILE_SECONDS, Job, JobRecords
from app.serving.jobs import Jobs, Tell
from indexer.errors import Conflict, InvalidInput, NotFound
from indexer.reports import Step

SECONDS = 60.0


@pytest.fixture
def stored(client: TestClient) -> TestClient:
    """A service with three documents."""
    documents = [{"id": id, "text": f"text {id}", "metadata": {"n": id}} for id in "abc"]
    assert client.put("/documents", json={"documents": documents}).is_success
    return client


def ended(client: TestClient, begun: Any) -> dict[str, Any]:
    """The job that an answer has begun, once it has ended."""
    assert begun.status_code == 202, begun.text
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        job = client.get(f"/jobs/{begun.json()['id']}").json()
        if job["state"] not in ("waiting", "running"):
            return dict(job)
        time.sleep(0.02)
    raise AssertionError(job)


def documents_of(client: TestClient, collection: str) -> Any:
    """All documents of a collection."""
    return client.get(f"/collections/{collection}/documents").json()["documents"]


def test_a_backup_is_made_fetched_and_restored(stored: TestClient, tmp_path: Path) -> None:
    """By its job, and by upload, into equal collections; the file is what the command writes."""
    made = ended(stored, stored.post("/backup"))
    assert (made["state"], made["kind"], made["collection"]) == ("done", "backup", "default")
    assert (made["outcome"]["documents"], made["error"], made["has_file"]) == (3, None, True)
    fetched = stored.get(f"/jobs/{made['id']}/file")
    assert f"default-{time.strftime('%Y')}" in fetched.headers["content-disposition"]
    (tmp_path / "fetched.tar").write_bytes(fetched.content)
    with tarfile.open(tmp_path / "fetched.tar") as archive:
        assert "manifest.json" in archive.getnames()
    part = stored.get(f"/jobs/{made['id']}/file", headers={"range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, fetched.content[:10])
    by_job = ended(stored, stored.post(f"/collections/one/restore?job={made['id']}"))
    by_upload = ended(stored, stored.post("/collections/two/restore", content=fetched.content))
    assert (by_job["state"], by_upload["state"]) == ("done", "done")
    assert by_upload["outcome"]["of"] == "default"
    assert (
        documents_of(stored, "one")
        == documents_of(stored, "two")
        == documents_of(stored, "default")
    )
    listed = [job["id"] for job in stored.get("/jobs").json()["jobs"]]
    assert listed == [by_upload["id"], by_job["id"], made["id"]]
    assert not list((tmp_path / "data" / ".jobs").glob("upload-*"))


def test_a_collection_moves_to_another_model(stored: TestClient) -> None:
    """It is searched by the new one once the job is done."""
    moved = ended(stored, stored.post("/reindex", json={"model": "hashing-8"}))
    assert (moved["state"], moved["outcome"]["documents"]) == ("done", 3)
    assert (moved["outcome"]["from"], moved["outcome"]["to"]) == ("hashing-256", "hashing-8")
    assert stored.get("/collections/default").json()["dimension"] == 8
    assert stored.post("/search", json={"query": "text a"}).json()["hits"][0]["id"] == "a"
    failed = ended(stored, stored.post("/reindex", json={"model": "no such model"}))
    assert failed["state"] == "failed" and "no such model" in failed["error"]


def test_backups_stay_in_a_folder_that_is_named(
    connect: Callable[..., TestClient], tmp_path
) -> None:
    """Without end, under names that tell; forgetting a job leaves its backup."""
    client = connect(backups=tmp_path / "kept")
    made = ended(client, client.post("/backup"))
    assert made["expires"] is None
    (file,) = (tmp_path / "kept").iterdir()
    assert file.name.startswith("default-2") and file.suffix == ".tar"
    assert client.delete(f"/jobs/{made['id']}").status_code == 204
    assert file.exists()
    assert client.get(f"/jobs/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "said"),
    [
        ("POST", "/collections/nowhere/backup", b"", 404, "nowhere"),
        ("POST", "/collections/default/restore", b"x", 409, "already exists"),
        ("POST", "/collections/new/restore", b"", 422, "?job=ID"),
        ("POST", "/collections/new/restore?job=0123456789abcdef", b"", 404, "listed at /jobs"),
        ("POST", "/collections/new/restore?jib=1", b"", 422, "jib"),
        ("POST", "/collections/a b/restore", b"x", 422, "letters, digits"),
        ("POST", "/collections/new/restore", b"x" * 2_001, 413, "BEARING_MAX_BACKUP_BYTES"),
        ("GET", "/jobs/..%2F..%2Fetc", b"", 404, ""),
        ("DELETE", "/jobs/0123456789abcdef", b"", 404, "listed at /jobs"),
    ],
)
def test_what_cannot_begin_is_refused_at_once(
    connect: Callable[..., TestClient], tmp_path: Path, method, path, content, status, said
) -> None:
    """Before anything is kept."""
    client = connect(max_backup_bytes=2_000)
    answer = client.request(method, path, content=content)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert client.get("/jobs").json() == {"jobs": []}
    assert not list((tmp_path / "data" / ".jobs").glob("upload-*"))


def test_a_damaged_upload_fails_and_leaves_nothing(stored: TestClient) -> None:
    """The job says why."""
    job = ended(stored, stored.post("/collections/new/restore", content=b"not a backup"))
    assert job["state"] == "failed" and job["error"]
    assert not job["has_file"]
    assert stored.get("/collections/new").status_code == 404
    assert "made no file" in stored.get(f"/jobs/{job['id']}/file").text


def test_only_admins_have_jobs(connect: Callable[..., TestClient]) -> None:
    """Keys that write may not even see them."""
    client = connect(api_keys="admin,write:w:writer")
    for method, path in (
        ("POST", "/backup"),
        ("POST", "/collections/new/restore"),
        ("POST", "/reindex"),
        ("GET", "/jobs"),
        ("GET", "/jobs/0123456789abcdef"),
        ("GET", "/jobs/0123456789abcdef/file"),
        ("DELETE", "/jobs/0123456789abcdef"),
    ):
        headers = {"authorization": "Bearer w"}
        assert client.request(method, path, headers=headers).status_code in (401, 403), path


@pytest.fixture
def jobs(tmp_path: Path) -> Any:
    """Jobs without a service, and an event that lets the work of `steady` end."""
    made = Jobs(tmp_path / "jobs", Instruments())
    yield made
    made.close()


def steady(begun: threading.Event) -> Callable[[Job, Tell], dict[str, Any]]:
    """Work that goes on until it is stopped."""

    def work(_: Job, tell: Tell) -> dict[str, Any]:
        while True:
            tell(Step("parts", 1, 2))
            begun.set()
            time.sleep(0.01)

    return work


def once_ended(jobs: Jobs, id: str) -> Job:
    """A job once it has ended."""
    until = time.monotonic() + SECONDS
    while (job := jobs.records.get(id)).is_living and time.monotonic() < until:
        time.sleep(0.01)
    return job


def test_a_collection_has_one_job_at_a_time(jobs: Jobs) -> None:
    """Of whatever kind; the refusal names it. Cancelled, it makes room for the next."""
    begun = threading.Event()
    first = jobs.begin(JobKind.BACKUP, "one", steady(begun))
    assert begun.wait(SECONDS)
    with pytest.raises(Conflict, match=f"backup {first.id}"):
        jobs.begin(JobKind.REINDEX, "one", steady(begun))
    with pytest.raises(Conflict, match=first.id):  # another process of the service
        Jobs(jobs.records.folder, Instruments()).begin(JobKind.REINDEX, "one", steady(begun))
    other = jobs.begin(JobKind.BACKUP, "two", lambda _, tell: {"documents": 1})
    assert once_ended(jobs, other.id).state is JobState.DONE
    running = jobs.records.get(first.id)
    assert (running.state, running.phase) == (JobState.RUNNING, "parts")
    assert (running.done, running.total) == (1, 2)
    assert jobs.cancel(first.id) is not None
    assert once_ended(jobs, first.id).state is JobState.CANCELLED
    again = jobs.begin(JobKind.BACKUP, "one", lambda _, tell: {})
    assert once_ended(jobs, again.id).state is JobState.DONE
    assert jobs.cancel(first.id) is None
    with pytest.raises(NotFound):
        jobs.records.get(first.id)


def test_how_work_ends_is_told(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours by its message; a fault without what it says, which is in the log."""

    def fails(_: Job, tell: Tell) -> dict[str, Any]:
        raise InvalidInput("no such thing")

    def breaks(_: Job, tell: Tell) -> dict[str, Any]:
        raise ZeroDivisionError("secret")

    failed = once_ended(jobs, jobs.begin(JobKind.BACKUP, "one", fails).id)
    assert (failed.state, failed.error) == (JobState.FAILED, "no such thing")
    broken = once_ended(jobs, jobs.begin(JobKind.BACKUP, "one", breaks).id)
    assert broken.state is JobState.FAILED and "secret" not in str(broken.error)
    assert "ZeroDivisionError" in caplog.text


def test_a_service_that_stops_interrupts_its_jobs(tmp_path: Path) -> None:
    """They end soon, and say that the request may be made again."""
    jobs, begun = Jobs(tmp_path / "jobs", Instruments()), threading.Event()
    job = jobs.begin(JobKind.REINDEX, "one", steady(begun))
    assert begun.wait(SECONDS)
    jobs.close()
    left = JobRecords(tmp_path / "jobs").get(job.id)
    assert left.state is JobState.INTERRUPTED
    assert "goes on where it was" in str(left.error)


KILLED = """
import sys, time
from pathlib import Path
from app.schemas.jobs import JobKind
from app.serving.instruments import Instruments
from app.serving.jobs import Jobs
from indexer.reports import Step
def work(_, tell):
    tell(Step("parts", 1, 2))
    print(flush=True)
    time.sleep(60)
print(Jobs(Path(sys.argv[1]), Instruments()).begin(JobKind.BACKUP, "one", work).id, flush=True)
"""


def test_a_job_whose_process_was_killed_is_interrupted(jobs: Jobs) -> None:
    """Another process knows at once, and may begin the next job of the collection."""
    folder = str(jobs.records.folder)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines = sorted(process.stdout.readline().strip() for _ in range(2))
        id = lines[1].decode()
        assert jobs.records.get(id).is_living
        os.kill(process.pid, signal.SIGKILL)
    killed = jobs.records.get(id)
    assert (killed.state, killed.is_living) == (JobState.INTERRUPTED, False)
    assert "begins anew" in str(killed.error)
    assert once_ended(jobs, jobs.begin(JobKind.BACKUP, "one", lambda *_: {}).id).state == "done"


def test_files_go_when_their_time_is_over(jobs: Jobs) -> None:
    """The record stays, and says so; a record that is not ours is left out."""

    def work(job: Job, tell: Tell) -> dict[str, Any]:
        path = jobs.records.folder / f"{job.id}.tar"
        path.write_bytes(b"kept")
        return {"file": str(path)}

    job = once_ended(jobs, jobs.begin(JobKind.BACKUP, "one", work).id)
    path = jobs.records.file(job.id)
    assert job.expires is not None and job.expires > time.time() + FILE_SECONDS - 600
    record = jobs.records.folder / f"{job.id}.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"expires": 1.0}))
    with pytest.raises(NotFound, match="expired"):
        jobs.records.file(job.id)
    (jobs.records.folder / f"{'0' * 16}.json").write_text("{")
    jobs.records.sweep()
    assert not path.exists()
    assert [one.id for one in jobs.records.all()] == [job.id]
