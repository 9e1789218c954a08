"""The pages of a PDF, as the process in ``isolation`` reports them.

PDFium reads them. pypdf is asked only about pages on which PDFium finds nothing at all: it says
what is wrong with them, where PDFium is silent. Imports nothing of this project but the order of
lines that are written from the right, and that only when needed, so that the process starts fast.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, Final

import pypdfium2
from pypdfium2 import raw

from indexer.scripts import UNSPACED

MAX_REASON: Final = 300
"""Characters of a reason; a library's message may quote the page."""

A_PICTURE: Final = "a picture"

MANY_PATHS: Final = 20
"""A page with fewer lines and shapes, and nothing else, counts as empty."""

LIGATURES: Final = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)

PLACEHOLDERS: Final = frozenset(
    ("untitled", "anonymous", "(anonymous)", "unspecified", "(unspecified)", "unknown")
)
"""The values that programs write where no title or author was given."""

HYPHEN: Final = "\ufffe"
"""The character that PDFium writes for a hyphen and the end of its line."""

LEAST_JUDGED: Final = 20
"""Characters; with fewer, it cannot be judged whether a page's text is broken."""

LONG_RUN: Final = 40
"""Letters; hardly a word is longer, except in chemistry and in scripts without spaces."""

FEW_LETTERS: Final = 8
"""A long run with no more different letters than this draws a line, or fills a form."""

OCR_DPI: Final = 300
OCR_PIXELS: Final = 20_000_000
POINTS: Final = 72
"""The units of a PDF in an inch."""

_TRAILING_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
_MANY_NEWLINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NO_TEXT = re.compile(r"[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f]")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_UNPARTED = re.compile(f"[{UNSPACED}]")
_RUN = re.compile(r"[^\W\d_]+")


def report(
    file: BinaryIO,
    first: int = 0,
    page_seconds: int = 20,
    ocr: tuple[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """The facts of the file, then each page from ``first`` on, in order.

    A page has ``text``, and ``problem`` if that may not be all; its ``ocr`` says that the text was
    recognised in a picture. The argument ``ocr`` names languages and the folder of Tesseract's
    data. A page that computes longer than ``page_seconds`` ends the process.
    """
    try:
        pdf = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        raise ValueError(_refusal(error)) from error
    count = len(pdf)
    facts = pdf.get_metadata_dict()
    yield {"pages": count, "title": _line(facts["Title"]), "author": _line(facts["Author"])}
    other = _SecondOpinion(file)
    engine = _recogniser(*ocr) if ocr else None
    for number in range(first, count):
        _set_alarm(page_seconds)
        page = _page(pdf, number, other, engine)
        _set_alarm(0)
        yield page


def _refusal(error: pypdfium2.PdfiumError) -> str:
    if error.err_code == raw.FPDF_ERR_PASSWORD:
        return "encrypted: it opens with a password only"
    if error.err_code == raw.FPDF_ERR_SECURITY:
        return "encrypted in a way that PDFium does not know"
    return "not a PDF, or damaged beyond reading"


def _line(text: str) -> str | None:
    line = " ".join(_clean(text).split())
    return line if line and line.lower() not in PLACEHOLDERS else None


def _set_alarm(seconds: float) -> None:
    """End the process after this much computing; 0 cancels that."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _page(
    pdf: pypdfium2.PdfDocument, number: int, other: _SecondOpinion, engine: _Recogniser | None
) -> dict[str, Any]:
    try:
        page = pdf[number]
    except pypdfium2.PdfiumError:
        return other.page(number) or {"problem": "the page cannot be loaded"}
    found = page.get_textpage()
    text = _text(found)
    shown = "" if any(map(str.isalpha, text)) else _shown(page)
    if text.strip() and shown != A_PICTURE:  # a scanned page may bear a number, or a stamp's date
        return _judged(page, number, found, text, other, engine)
    if shown is None:
        return other.page(number) or {"text": ""}
    if engine:
        return engine.page(page)
    return (
        {"problem": f"{shown} without text: only OCR (--ocr) can read it"}
        if shown
        else {"text": ""}
    )


def _judged(
    page: pypdfium2.PdfPage,
    number: int,
    found: pypdfium2.PdfTextPage,
    text: str,
    other: _SecondOpinion,
    engine: _Recogniser | None,
) -> dict[str, Any]:
    """A page's text, unless another way to read it gives a better one."""
    visible = sum(not each.isspace() for each in text)
    unmapped = _unmapped(found)
    problem = _broken(text, unmapped, visible)
    if problem and engine:
        return engine.page(page)
    if unmapped * 10 > visible:
        second = other.page(number).get("text", "")
        if len(second) * 2 > len(text) and not _broken(second, 0, visible):
            text = second
    return {"text": _clean(text), **({"problem": problem} if problem else {})}


def _text(found: pypdfium2.PdfTextPage) -> str:
    """The page's text; a hyphen at the end of a line stays as on the page."""
    text = found.get_text_range() if found.count_chars() else ""
    if _RIGHT_TO_LEFT.search(text):
        text = _in_reading_order(found)
    return text.replace("\r\n", "\n").replace(HYPHEN, "-\n")


def _in_reading_order(found: pypdfium2.PdfTextPage) -> str:
    from indexer.readers import right_to_left

    glyphs = []
    for index in range(found.count_chars()):
        left, bottom, right, top = found.get_charbox(index, loose=True)
        character = chr(raw.FPDFText_GetUnicode(found, index))
        glyphs.append(right_to_left.Glyph(character, left, right, bottom, top))
    return right_to_left.text_of(glyphs)


def _shown(page: pypdfium2.PdfPage) -> str | None:
    """The visible content of a page without text: a picture, a drawing, "" for hardly anything.

    None if PDFium finds nothing at all on it.
    """
    kinds = [each.type for each in page.get_objects(max_depth=5)]
    if not kinds:
        return None
    if raw.FPDF_PAGEOBJ_IMAGE in kinds:
        return A_PICTURE
    drawn = raw.FPDF_PAGEOBJ_SHADING in kinds or len(kinds) >= MANY_PATHS
    return "a drawing" if drawn else ""


def _unmapped(found: pypdfium2.PdfTextPage) -> int:
    """The number of glyphs whose characters PDFium cannot determine."""
    count = found.count_chars()
    return sum(raw.FPDFText_HasUnicodeMapError(found, index) == 1 for index in range(count))


def _broken(text: str, unmapped: int, visible: int) -> str | None:
    """The reason why a page's text evidently differs from what the page shows; else None."""
    if visible < LEAST_JUDGED:
        return None
    wrong = max(unmapped, len(_NO_TEXT.findall(text)))
    if wrong * 2 > visible:
        share = min(wrong / visible, 1)
        return f"its text may be wrong: the file does not say which letters {share:.0%} of it are"
    runs = [run for run in _RUN.findall(text) if not _UNPARTED.search(run)]
    letters = sum(map(len, runs))
    joined = sum(len(run) for run in runs if len(run) > LONG_RUN and len(set(run)) > FEW_LETTERS)
    if letters >= LEAST_JUDGED and joined * 3 > letters:
        return f"its text may be wrong: {joined / letters:.0%} of its letters stand without spaces"
    return None


def _clean(text: str) -> str:
    """The text with ligatures as letters, without invalid and empty characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = _TRAILING_SPACE.sub("", _CONTROL.sub("", whole.translate(LIGATURES)))
    return unicodedata.normalize("NFC", _MANY_NEWLINES.sub("\n\n", lines))


class _SecondOpinion:
    """pypdf, loaded at first use: the text it finds on a page, or what is wrong with the page."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def page(self, number: int) -> dict[str, Any]:
        """The text of a page, or the problem with it; nothing if it is empty."""
        warnings = self._warnings
        warnings.first = None
        try:
            text = _clean(self._reader.pages[number].extract_text())
        except MemoryError:
            return {"problem": "needs more memory than it may use"}
        except RecursionError:
            return {"problem": "nested too deeply"}
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is the report
            return {"problem": (str(error) or type(error).__name__)[:MAX_REASON]}
        if text.strip():
            return {"text": text}
        return {"problem": warnings.first} if warnings.first else {}

    @cached_property
    def _reader(self) -> Any:  # noqa: ANN401 - pypdf's type, which is not loaded before
        from pypdf import PdfReader

        reader = PdfReader(self._file)
        if reader.is_encrypted:
            reader.decrypt("")
        return reader

    @cached_property
    def _warnings(self) -> _Warnings:
        return _Warnings()


class _Warnings(logging.Handler):
    """Keeps the first warning of pypdf, and the others off the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None
        library = logging.getLogger("pypdf")
        library.addHandler(self)
        library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()[:MAX_REASON]


class _Recogniser:
    """Tesseract, which recognises text in pictures."""

    def __init__(self, api: Any) -> None:  # noqa: ANN401 - tesserocr's type, an extra
        self._api = api

    def page(self, page: pypdfium2.PdfPage) -> dict[str, Any]:
        """The text recognised on a page."""
        scale = min(OCR_DPI / POINTS, (OCR_PIXELS / (page.get_width() * page.get_height())) ** 0.5)
        bitmap = page.render(scale=scale, grayscale=True)
        picture = bytes(bitmap.buffer)
        self._api.SetImageBytes(picture, bitmap.width, bitmap.height, 1, bitmap.stride)
        self._api.SetSourceResolution(round(scale * POINTS))
        return {"text": _clean(self._api.GetUTF8Text()), "ocr": True}


def _recogniser(languages: str, folder: str) -> _Recogniser:
    os.environ["OMP_THREAD_LIMIT"] = "1"  # its threads gain little, and each reserves memory
    import tesserocr

    return _Recogniser(tesserocr.PyTessBaseAPI(path=folder, lang=languages))
