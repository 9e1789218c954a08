"""Texts sent to an external model: in parts, tried again, and never to another address."""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.external.addresses import Address
from indexer.embedding.external.protocols import PROTOCOLS
from indexer.errors import ModelError

MOST_TEXTS: Final = 64
"""Texts in one request."""

TIMEOUT_SECONDS: Final = 60.0
TRIES: Final = 6
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 60.0
MAX_ANSWER_BYTES: Final = 256 * 2**20

_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
_SMALLER: Final = frozenset((400, 413, 422))
_QUOTED: Final = 200


class _Refused(Exception):
    """An answer that is no vectors: its status and words, and the seconds it asks to wait."""

    def __init__(self, status: int, said: str, after: float | None = None) -> None:
        super().__init__(f"{status} {said}".strip())
        self.status = status
        self.after = after


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: texts and the key go to the address that the user named."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        """Follow none."""
        return


@dataclass(slots=True)
class Caller:
    """A model behind an address. Safe for several threads."""

    address: Address
    key: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    sleep: Callable[[float], None] = time.sleep
    _opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(_Stay), repr=False
    )

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, d) vectors of any length, in order. Raises ModelError, which says the address."""
        parts = [
            self._part(texts[start : start + MOST_TEXTS])
            for start in range(0, len(texts), MOST_TEXTS)
        ]
        try:
            return np.concatenate(parts)
        except ValueError as error:
            raise self._error("vectors of several dimensions came back") from error

    def _part(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The vectors of texts in one request, or in halves where that is too much for it."""
        try:
            return self._tried(texts)
        except _Refused as refused:
            if refused.status in _SMALLER and len(texts) > 1:
                middle = len(texts) // 2
                return np.concatenate([self._part(texts[:middle]), self._part(texts[middle:])])
            raise self._error(str(refused)) from refused

    def _tried(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The vectors of one request, which is made again where that may help."""
        for attempt in range(TRIES):
            try:
                return self._read(self._ask(texts), len(texts))
            except _Refused as refused:
                if refused.status not in _AGAIN:
                    raise
                problem, after = str(refused), refused.after
            except (OSError, http.client.HTTPException) as error:
                cause = error.reason if isinstance(error, urllib.error.URLError) else error
                problem, after = str(cause) or type(cause).__name__, None
            if attempt + 1 < TRIES:
                usual = FIRST_WAIT_SECONDS * 2.0**attempt * random.uniform(0.75, 1.25)  # noqa: S311
                self.sleep(min(usual if after is None else after, LONGEST_WAIT_SECONDS))
        raise self._error(f"{problem}; tried {TRIES} times")

    def _ask(self, texts: Sequence[str]) -> bytes:
        address, protocol = self.address, PROTOCOLS[self.address.kind]
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(  # noqa: S310 - http or https, as its name says
            address.base + protocol.path,
            data=json.dumps(protocol.body(address, texts)).encode(),
            headers=headers,
        )
        try:
            with self._opener.open(request, timeout=self.timeout_seconds) as answer:
                content: bytes = answer.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(_QUOTED).decode("utf-8", "replace")
                after = _seconds(error.headers.get("retry-after"))
            raise _Refused(error.code, said, after) from error
        if len(content) > MAX_ANSWER_BYTES:
            self._fail(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        return content

    def _read(self, content: bytes, count: int) -> NDArray[np.float64]:
        try:
            given = PROTOCOLS[self.address.kind].vectors(json.loads(content))
            vectors = np.array(given, dtype=np.float64)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            said = content[:_QUOTED].decode("utf-8", "replace")
            raise self._error(f"it answers otherwise than its kind does: {said}") from error
        if vectors.ndim != 2 or len(vectors) != count:
            self._fail(f"{count} texts, but vectors of shape {vectors.shape} came back")
        return vectors

    def _error(self, problem: str) -> ModelError:
        address = self.address
        return ModelError(f"the model {address.model!r} at {address.base}: {problem}")

    def _fail(self, problem: str) -> NoReturn:
        raise self._error(problem)


def _seconds(text: str | None) -> float | None:
    """The seconds that a Retry-After says; None if it says a date or nothing."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
