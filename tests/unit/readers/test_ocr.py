"""Whether text in pictures can be read here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from indexer.errors import InvalidInput, MissingExtra
from indexer.readers.ocr import BINDING, VARIABLE, check_ocr, tessdata


def test_none_is_asked_for() -> None:
    """Without languages there is nothing to check."""
    check_ocr(None)


@pytest.mark.skipif(find_spec(BINDING) is None, reason="the extra ocr is not installed")
def test_unknown_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that is not installed is refused; the message names those that are."""
    (tmp_path / "deu.traineddata").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert tessdata() == tmp_path
    check_ocr("deu")
    with pytest.raises(InvalidInput, match=r"'eng'.*installed are deu"):
        check_ocr("deu+eng")


@pytest.mark.skipif(find_spec(BINDING) is not None, reason="the extra ocr is installed")
def test_extra_is_missing() -> None:
    """Without the binding the message says what to install."""
    with pytest.raises(MissingExtra, match="tesserocr"):
        check_ocr("eng")
