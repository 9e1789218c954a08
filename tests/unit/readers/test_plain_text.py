"""Plain text files."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["a.txt", "a.TEXT", "a.adoc"])
def test_the_file_is_the_text(read, name: str) -> None:
    """The whole file is one document, called by its path, without a title."""
    document = read(name, "Line one.\r\n\r\n  Line two.\n").document
    assert (document.id, document.title) == (name, None)
    assert document.text == "Line one.\n\n  Line two.\n"
    assert document.metadata == {"format": "text"}


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_no_text(read, content: str) -> None:
    """A file without text is rejected."""
    assert read("a.txt", content).rejection.reason == "no text in it"


def test_other_encoding_is_told(read) -> None:
    """A text in another encoding says which."""
    text = "Les élèves étaient déjà prêts à être très gênés par la forêt.\n" * 4
    document = read("a.txt", text.encode("cp1252")).document
    assert document.text == text
    assert "encoding" in document.metadata


def test_binary_file(read) -> None:
    """A file that is no text is rejected."""
    assert "NUL" in read("a.txt", b"\x7fELF\0\0\0\xff\xfe\0").rejection.reason
