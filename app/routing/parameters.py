"""Parameters of addresses that hold more than a word: filters as JSON, names by commas."""

from __future__ import annotations

from typing import Any

from indexer.errors import InvalidFilter, Unreadable
from indexer.filters import Filter, parse_filter
from indexer.readers import parse_json


def parse_filter_text(text: str | None) -> Filter | None:
    """The filter that a parameter holds; raises InvalidFilter."""
    return parse_filter(filter_object(text))


def filter_object(text: str | None) -> Any:  # noqa: ANN401 - JSON
    """The JSON that a parameter holds; raises InvalidFilter."""
    if text is None:
        return None
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"))
    except Unreadable as error:
        raise InvalidFilter(
            f"filter: expected a JSON object as text, got {text[:80]!r}: {error}"
        ) from error


def names_in(text: str | None) -> list[str] | None:
    """The names between a parameter's commas; none if it is empty, None if it is not there."""
    if text is None:
        return None
    return [name for name in text.split(",") if name]
