"""Errors of connecting, as PostgreSQL 17 and libpq 18 word them, in Bearing's words."""

from __future__ import annotations

import psycopg
import pytest

from indexer.errors import BearingError, Refused, Unreachable
from indexer.postgres.failures import connection_failure

LOST = 'connection to server at "127.0.0.1", port 6544 failed: '
NO_ENTRY = (
    f'{LOST}FATAL:  no pg_hba.conf entry for host "127.0.0.1", user "bearing", '
    'database "search", no encryption'
)
NAME = (
    f'{LOST}server certificate for "localhost" (and 1 other name) does not match host name '
    '"127.0.0.1"'
)


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (NO_ENTRY, Refused, "check sslmode"),
        (NAME, Refused, "name it as its certificate does"),
        (f"{LOST}SSL error: certificate verify failed", Refused, "sslrootcert"),
        (f"{LOST}Connection refused", Unreachable, "is the server up"),
    ],
    ids=["entry", "name", "authority", "refused"],
)
def test_why_no_connection_was_made_is_said(text: str, kind: type[BearingError], told: str) -> None:
    """With what to do about it, and the server's own reason."""
    found = connection_failure(psycopg.OperationalError(text), "postgresql://db.example/search")
    assert type(found) is kind
    assert told in str(found)
    assert text.removeprefix(LOST)[:20] in str(found)
