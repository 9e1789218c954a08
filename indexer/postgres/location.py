"""The URL of a database: completed for the driver, and as it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from indexer.errors import InvalidInput

DEADLINE_SECONDS: Final = 20.0
"""An answer is waited for so long, unless the URL says ``deadline_seconds``."""

_DEADLINE: Final = re.compile(r"([?&])deadline_seconds=(\d+(?:\.\d+)?)(&|$)")

_DEFAULTS: Final = {
    "application_name": "bearing",
    "connect_timeout": "2",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


@dataclass(frozen=True, slots=True)
class Location:
    """A database: ``conninfo`` for the driver, and ``shown``, without a password.

    ``seconds`` is how long an answer is waited for. ``fallback`` takes any of several nodes.
    """

    conninfo: str
    fallback: str | None
    shown: str
    seconds: float


def location_of(url: str) -> Location:
    """The database at a URL, as libpq reads it; raises InvalidInput."""
    url, seconds = _without_deadline(url)
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error as error:
        raise InvalidInput(
            f"a database's URL is postgresql://user@host/database: {str(error).strip()}"
        ) from error
    hosts = given.get("host", "localhost")
    if "," in hosts:
        given.setdefault("target_session_attrs", "read-write")
    user = f"{given['user']}@" if "user" in given else ""
    shown = f"postgresql://{user}{_with_ports(hosts, given.get('port', ''))}"
    if "dbname" in given:
        shown += f"/{given['dbname']}"
    conninfo = make_conninfo("", **(_DEFAULTS | given))
    fallback = None
    if "," in hosts and given["target_session_attrs"] in ("read-write", "primary"):
        fallback = make_conninfo(conninfo, target_session_attrs="any")
    return Location(conninfo, fallback, shown, seconds)


def _without_deadline(url: str) -> tuple[str, float]:
    """The URL without the parameter that is Bearing's own, and its value."""
    found = _DEADLINE.search(url)
    if found is None:
        return url, DEADLINE_SECONDS
    kept = url[: found.start()] + (found[1] if found[3] else "") + url[found.end() :]
    return kept, max(float(found[2]), 0.1)


def _with_ports(hosts: str, ports: str) -> str:
    each, numbers = hosts.split(","), ports.split(",")
    if len(numbers) != len(each):
        numbers = numbers[:1] * len(each)
    return ",".join(
        f"{host}:{port}" if port else host for host, port in zip(each, numbers, strict=True)
    )
