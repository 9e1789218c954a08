"""OCR: whether Tesseract can read text in pictures here, and in which languages.

The pictures are read by ``pdf_pages``, in the separate process that reads PDFs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from indexer.errors import InvalidInput, MissingExtra

VARIABLE: Final = "TESSDATA_PREFIX"
"""Tesseract's own variable for the folder of its language data."""

FOLDERS: Final = ("usr/share", "usr/local/share", "opt/homebrew/share", "opt/local/share")
BINDING: Final = "tesserocr"


def check_ocr(languages: str | None) -> None:
    """Raise InvalidInput unless pictures can be read in these languages, such as ``eng+deu``.

    Raises MissingExtra if OCR is not installed.
    """
    if languages is None:
        return
    if find_spec(BINDING) is None:
        raise MissingExtra("tesserocr", "ocr")
    known = _known(tessdata())
    if not known:
        raise InvalidInput(
            "OCR needs the languages of Tesseract: in Debian the package tesseract-ocr brings "
            f"English; elsewhere name their folder in {VARIABLE}"
        )
    for language in languages.split("+"):
        if language not in known:
            raise InvalidInput(
                f"OCR knows no language {language!r}; installed are {', '.join(known)}; in Debian "
                f"others are packages called tesseract-ocr-NAME"
            )


def tessdata() -> Path | None:
    """The folder of Tesseract's language data; None if there is none."""
    return next((folder for folder in _folders() if _known(folder)), None)


def _folders() -> Iterator[Path]:
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE])
    for root in FOLDERS:
        share = Path("/") / root
        yield from sorted(share.glob("tesseract-ocr/*/tessdata"), reverse=True)
        yield share / "tessdata"


def _known(folder: Path | None) -> list[str]:
    return sorted(each.stem for each in folder.glob("*.traineddata")) if folder else []
