"""A database that is not as it should be is told of in one line that says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from indexer.engines import open_catalogue
from indexer.errors import BearingError, InvalidInput, Refused, Unreachable


def test_without_the_driver_it_is_said_what_to_install() -> None:
    """By the extra's name."""
    program = (
        "import sys; sys.modules['psycopg'] = None; from indexer.engines import open_catalogue; "
        "open_catalogue('postgresql://host/db')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "MissingExtra: psycopg is not installed" in done.stderr
    assert "[postgres]" in done.stderr


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (("/bearing", "/nosuch"), Refused, "no such database"),
        (("/bearing", "/postgres"), Refused, "CREATE EXTENSION vector"),
        (("//postgres@", "//nobody@"), Refused, "check the name and password"),
        (("/bearing", "/bearing?nonsense=1"), InvalidInput, "nonsense"),
        (("/bearing", "/bearing?port=1"), Unreachable, "is the server up"),
    ],
    ids=["database", "extension", "role", "parameter", "port"],
)
def test_what_is_wrong_is_said(
    database: str, change: tuple[str, str], kind: type[BearingError], told: str
) -> None:
    """With the place, but without a password."""
    url = database.replace(*change).replace("@", ":secret@")
    with pytest.raises(kind, match=told) as raised:
        open_catalogue(url).names()
    assert "secret" not in str(raised.value)
