"""The lines in the answers to imports and files."""

from __future__ import annotations

import unicodedata
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Returned
from app.schemas.documents import WriteParameters
from indexer.ingestion.pruning import USUAL_SHARE

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


class ImportParameters(WriteParameters):
    """The vectors that are taken, and the source that is kept in step.

    Not strict: all parameters of a URL are text.
    """

    source: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The name of what gives all its documents again and again, so that it is "
        "remembered which are its.",
    )
    run: int | None = Field(
        None,
        ge=1,
        description="The `run` that the answer to the first part of this import told, if it comes "
        "in several.",
    )
    part: int | None = Field(
        None, ge=0, description="The number of the part: one that is sent again counts once."
    )
    prune: bool = Field(
        False,
        description="Whether this is the last part: documents of the source that the run did not "
        "give are deleted, unless a line was rejected or a part came to no end.",
    )
    prune_at_most: str = Field(
        f"{USUAL_SHARE:.0%}",
        description="If more of the source's documents would go at once, none does: `30%` or "
        "`0.3`.",
    )
    dry_run: bool = Field(
        False, description="Whether to say what would happen, and change nothing."
    )

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.source is None and (
            self.run is not None or self.part is not None or self.prune or self.dry_run
        ):
            raise PydanticCustomError(
                "source", "run, part, prune and dry_run are of a source: name it"
            )
        if self.dry_run and (self.run is not None or self.part is not None):
            raise PydanticCustomError("run", "a dry run is one import, with all documents")
        return self


class PrunedView(Returned):
    """The fate of the documents that a source no longer gives."""

    deleted: int
    kept: list[str] = Field(description="Ids of those that others have changed, which stay.")
    refused: str | None = Field(description="Why none was deleted.")


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
    run: int | None = Field(
        None, description="Of a source: for the next part.", exclude_if=lambda run: run is None
    )
    pruned: PrunedView | None = Field(
        None, description="Of the last part.", exclude_if=lambda pruned: pruned is None
    )


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
