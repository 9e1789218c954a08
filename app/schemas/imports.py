"""The lines in the answers to imports and files."""

from __future__ import annotations

import unicodedata
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Returned
from app.schemas.documents import WriteParameters

REPEATED = "Documents with an id that came before: of those with one id the last stays."


class FileParameters(WriteParameters):
    """The name of a file, and which of its vectors are taken."""

    name: str = Field(
        min_length=1,
        max_length=1_024,
        description="The file's name, folders in front if you like: ids and places begin with it, "
        "and its suffix tells the format.",
        examples=["reports/2024.pdf"],
    )

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise PydanticCustomError("name", "a name has no control characters or surrogates")
        return name


class ImportProgress(Returned):
    """A line after each batch: the documents that are durable by then."""

    event: Literal["progress"] = "progress"
    line: int = Field(description="Lines read so far.")
    written: int
    unchanged: int
    rejected: int
    repeated: int = Field(description=REPEATED)


class ImportRejection(Returned):
    """A line of the import that holds no document."""

    event: Literal["rejected"] = "rejected"
    line: int
    reason: str


class ImportSummary(Returned):
    """The last line of an import that was read to its end."""

    event: Literal["done"] = "done"
    line: int
    written: int
    unchanged: int
    rejected: int
    repeated: int = Field(description=REPEATED)
    truncated: list[str]
    unknown: list[str] = Field([], description="As in the answer to a write of documents.")


class FileProgress(Returned):
    """A line after each batch of a file: the documents that are durable by then."""

    event: Literal["progress"] = "progress"
    bytes: int = Field(description="Of the file, read so far.")
    size: int = Field(description="Bytes of the file.")
    written: int
    unchanged: int
    rejected: int
    repeated: int = Field(description=REPEATED)


class FileRejection(Returned):
    """A file, or a line, row or page of one, that holds no document."""

    event: Literal["rejected"] = "rejected"
    place: str
    reason: str


class FileSummary(Returned):
    """The last line about a file that was read to its end."""

    event: Literal["done"] = "done"
    size: int
    written: int
    unchanged: int
    rejected: int
    repeated: int = Field(description=REPEATED)
    truncated: list[str]
    unknown: list[str] = Field([], description="As in the answer to a write of documents.")


class FormatView(Returned):
    """A file format, recognised by the suffix of the name."""

    name: str
    suffixes: list[str]


class FormatsView(Returned):
    """The file formats that are read here."""

    formats: list[FormatView]
    max_file_bytes: int = Field(description="Largest file that is taken in.")
