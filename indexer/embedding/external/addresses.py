"""The names of external models: a kind, an address, and what the model is called there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from indexer.errors import ModelError

EXTERNAL: Final = re.compile(r"(openai|tei|ollama)\+https?://\S+")
"""The names of external models."""

WINDOW: Final = 512
LEAST_WINDOW: Final = 16
LARGEST_WINDOW: Final = 32_768

_FORM: Final = (
    "openai+https://HOST/v1#MODEL, tei+http://HOST:PORT or ollama+http://HOST:11434#MODEL, with "
    "?window=TOKENS before the # if the model reads more than 512"
)


def is_external(name: str) -> bool:
    """Return whether a model of this name is behind an address."""
    return EXTERNAL.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """An external model: where it is asked, and what it is called there.

    ``window`` are the tokens that it reads, roughly; ``dimensions`` what it is asked to cut its
    vectors to.
    """

    kind: str
    base: str
    model: str
    window: int
    dimensions: int | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """The address in a model's name; raises ModelError, which says the form."""
        kind, _, url = name.partition("+")
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        window = _number(options.pop("window", str(WINDOW)), "window", LEAST_WINDOW, LARGEST_WINDOW)
        cut = options.pop("dimensions", None)
        dimensions = None if cut is None else _number(cut, "dimensions", 1, 65_536)
        if options or not parts.hostname or (kind != "tei" and not parts.fragment):
            raise ModelError(f"{name!r} names no external model: write {_FORM}")
        if parts.username or parts.password:
            raise ModelError("a key is no part of an address: give it as BEARING_MODEL_KEY")
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return cls(kind, base, parts.fragment, window, dimensions)


def _number(text: str, name: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
        raise ModelError(
            f"{name}={text[:20]} of an external model: {least} to {most:,} are allowed"
        )
    return int(text)
