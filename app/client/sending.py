"""Settings that both clients share: the key, and when a request is tried again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2
import orjson

from app.client.calls import Call
from app.client.errors import Busy, Unreachable, refusal_of

T = TypeVar("T")

FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 30.0

FIRST_PAUSE_SECONDS: Final = 0.05
"""Between two looks at a job that has just begun; the next are longer."""

LONGEST_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The key that requests carry, and how often one is retried."""

    api_key: str | None
    retries: int

    def options(self, call: Call[Any]) -> Mapping[str, Any]:
        """The body, headers and parameters of a request."""
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        if call.body is not None:
            headers["content-type"] = call.media_type
        return {
            "content": call.body,
            "headers": headers,
            "params": call.parameters or None,
        }

    def upload_options(self, call: Call[Any]) -> Mapping[str, Any]:
        """The same for a body that is sent in pieces, which are not among them."""
        options = dict(self.options(call))
        del options["content"]
        return {**options, "headers": {**options["headers"], "content-type": call.media_type}}

    def wait_seconds(self, error: Busy, attempt: int) -> float:
        """Seconds before the next attempt; raises the error if there is none left."""
        if attempt >= self.retries:
            raise error
        usual = FIRST_WAIT_SECONDS * 2.0**attempt
        after = error.retry_after_seconds
        # The service knows best when it has room again.
        return min(usual if after is None else after, LONGEST_WAIT_SECONDS)


def read(call: Call[T], response: httpx2.Response) -> T:
    """The content of an answer; raises Refused."""
    if not response.is_success:
        raise refusal_of(response)
    return call.read(response)


def unreachable(call: Call[Any], error: httpx2.TransportError) -> Unreachable:
    """The error of a request that was not answered."""
    return Unreachable(f"{call.method} {call.path}: {type(error).__name__}: {error}")


def whole_file(path: Path) -> Path:
    """A name beside a path for what is not whole yet; raises FileExistsError if it is taken."""
    if path.exists():
        raise FileExistsError(f"{path} already exists: a backup never overwrites")
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


class JsonLines:
    """The values of lines that come in pieces.

    Only a line feed ends one: the texts within may hold other ends of lines.
    """

    def __init__(self) -> None:
        self._held = b""

    def values(self, piece: bytes) -> list[Mapping[str, Any]]:
        """The values of the lines that this piece ends."""
        *lines, self._held = (self._held + piece).split(b"\n")
        return [orjson.loads(line) for line in lines if line]
