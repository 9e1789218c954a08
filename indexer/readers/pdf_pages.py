"""The pages of a PDF, as the process in ``isolation`` reports them.

Imports nothing of this project, so that the process starts fast.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, BinaryIO, Final

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, PyPdfError

PAGE_SECONDS: Final = 20
"""How long a page may compute before it is given up."""

MAX_REASON: Final = 300
"""Characters; a library's message may quote the page."""

LIGATURES: Final = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": ""}
)

_TRAILING_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
_MANY_NEWLINES = re.compile(r"\n{3,}")


PLACEHOLDERS: Final = frozenset(
    ("untitled", "anonymous", "(anonymous)", "unspecified", "(unspecified)", "unknown")
)
"""What programs write where no title or author was given."""


class TooSlow(BaseException):
    """A page's time is up; no ``except Exception`` within the PDF library can stop it."""


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """What the file says of itself, then each page's text or problem, in order."""
    warnings = _Warnings()
    reader = PdfReader(file)
    if reader.is_encrypted:
        _decrypt(reader)
    count = len(reader.pages)
    yield {"pages": count, **_facts(reader)}
    for number in range(count):
        warnings.clear()
        page = _page(reader, number)
        # The PDF library reads on where it can; what it gave up shows only in its log.
        silent = not page.get("text", "?").strip() and warnings.first
        yield {"problem": warnings.first} if silent else page


class _Warnings(logging.Handler):
    """Keeps the first warning of the PDF library, and the others off the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None
        library = logging.getLogger("pypdf")
        library.addHandler(self)
        library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()[:MAX_REASON]

    def clear(self) -> None:
        self.first = None


def _decrypt(reader: PdfReader) -> None:
    try:
        opened = reader.decrypt("")
    except DependencyError as error:
        raise ValueError(f"encrypted, and needs a library: {error}") from error
    if not opened:
        raise ValueError("encrypted: it opens with a password only")


def _facts(reader: PdfReader) -> dict[str, str | None]:
    """Title and author; None where there is none that can be read."""
    try:
        found = reader.metadata
        return {
            "title": _line(found.title) if found else None,
            "author": _line(found.author) if found else None,
        }
    except (PyPdfError, ValueError, TypeError, AttributeError, KeyError):
        return {"title": None, "author": None}


def _line(text: str | None) -> str | None:
    line = " ".join(_clean(text).split()) if text else ""
    return line if line and line.lower() not in PLACEHOLDERS else None


def _page(reader: PdfReader, number: int) -> dict[str, Any]:
    try:
        return {"text": _in_time(reader.pages[number])}
    except TooSlow:
        return {"problem": f"given up after {PAGE_SECONDS} s of computing"}
    except MemoryError:
        return {"problem": "needs more memory than it may use"}
    except RecursionError:
        return {"problem": "nested too deeply"}
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is the report
        return {"problem": (str(error) or type(error).__name__)[:MAX_REASON]}


def _in_time(page: PageObject) -> str:
    _set_alarm(PAGE_SECONDS)
    try:
        return _clean(page.extract_text())
    finally:
        _set_alarm(0)


def _set_alarm(seconds: float) -> None:
    """Raise TooSlow after this much computing, again and again until set to 0."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.signal(signal.SIGPROF, _ring)
        signal.setitimer(signal.ITIMER_PROF, seconds, 1 if seconds else 0)


def _ring(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise TooSlow


def _clean(text: str) -> str:
    """The text with ligatures as letters and without what is not Unicode or empty."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = _TRAILING_SPACE.sub("", whole.translate(LIGATURES))
    return _MANY_NEWLINES.sub("\n\n", lines)
