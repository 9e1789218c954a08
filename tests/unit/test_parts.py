"""The parts of documents, by name."""

from __future__ import annotations

import pytest

from indexer.errors import InvalidInput
from indexer.parts import NO_PARTS, PASSAGES, WHOLE, Parts, asked_parts


def test_parts_are_named() -> None:
    """A key of the metadata may hold dots, and all of it includes each key."""
    assert asked_parts(None) == WHOLE
    assert asked_parts([]) == NO_PARTS
    assert asked_parts(None, passages_only=True) == PASSAGES
    assert asked_parts(["title", "metadata.a.b"]) == Parts(
        text=False, passage=False, keys=frozenset({"a.b"}), picture=False
    )
    assert asked_parts(["metadata.a", "metadata"]).keys is None


@pytest.mark.parametrize("name", ["", "body", "metadata.", "Text", "id"])
def test_a_name_that_is_none_is_refused_with_the_choices(name: str) -> None:
    """The refusal says what was given and what is known."""
    with pytest.raises(InvalidInput, match=rf"'{name}' is none of: text, title, passage, metadata"):
        asked_parts(["title", name])


def test_fields_and_passages_only_exclude_each_other() -> None:
    """Neither is silently preferred."""
    with pytest.raises(InvalidInput, match="one of: fields, passages_only"):
        asked_parts(["title"], passages_only=True)


def test_parts_of_two_readers_are_those_of_both() -> None:
    """Whole metadata includes any keys."""
    one, other = asked_parts(["title", "metadata.a"]), asked_parts(["text", "metadata.b"])
    assert one | other == asked_parts(["text", "title", "metadata.a", "metadata.b"])
    assert one | asked_parts(["metadata"]) == asked_parts(["title", "metadata"])
