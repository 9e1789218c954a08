"""The command ``import``: what another system holds, into a collection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer.cli import messages, summaries
from indexer.cli.index import Indexed, index_reads
from indexer.cli.options import Data, Json, LanguageOption, Model, Name, open_library
from indexer.embedding.embedder import Embedder
from indexer.ingestion.moving import Move, Surveyed, Verdict
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.readers import Fields, Read
from indexer.sources.systems.holding import Place
from indexer.sources.systems.opening import SYSTEMS, open_system

_SHOWN_FIELDS = 40


@dataclass(frozen=True, slots=True)
class MovedIn:
    """The outcome of moving in, or, in a dry run, of a look at what there is."""

    system: str
    name: str
    verdict: Verdict
    found: Surveyed | None = None
    done: Indexed | None = None
    left: dict[str, int] | None = None

    def figures(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        told: dict[str, Any] = {"system": self.system, "name": self.name}
        told["vectors"] = asdict(self.verdict)
        if self.found is not None:
            told["found"] = asdict(self.found)
        if self.done is not None:
            told |= self.done.figures()
            told["embedded_anew"] = self.left or {}
        return told

    def show(self, as_json: bool) -> None:
        """Print the outcome; rejections go to standard error, too."""
        if self.done is not None:
            self.done.warn()
        if as_json:
            messages.say_json(self.figures())
            return
        for line in self._lines():
            messages.say(messages.printable(line))

    def _lines(self) -> Iterator[str]:
        if self.done is not None:
            yield summaries.summary_text(self.done.summary, self.done.collection)
        if self.found is not None:
            yield (
                f"{self.system}, {self.name}: {messages.counted(self.found.entries, 'document')}, "
                f"{self.found.texts:,} with a text, {self.found.vectors:,} with a vector"
                + (f" of {self.found.dimension} numbers" if self.found.dimension else "")
            )
            for name, count in list(self.found.fields.items())[:_SHOWN_FIELDS]:
                yield f"  {name}: {count:,}"
        yield verdict_text(self.verdict)
        for reason, count in (self.left or {}).items():
            yield f"{messages.counted(count, 'document')} embedded anew, the vector being {reason}"


def verdict_text(verdict: Verdict) -> str:
    """The fate of the vectors, and the reason."""
    if not verdict.kept:
        return f"vectors are embedded anew: {verdict.reason}"
    bare = "; they are of the texts alone, so titles stay metadata" if verdict.bare else ""
    return f"vectors are kept: {verdict.reason}{bare}"


def move_in(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help=f"One of {', '.join(SYSTEMS)}.")],
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="Its folder or file, or the URL of its service.")
    ],
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    language: LanguageOption = None,
    from_name: Annotated[
        str | None,
        typer.Option(help="The collection or table there.", show_default="the only one"),
    ] = None,
    id_field: Annotated[str | None, typer.Option(help="Field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of the text.")] = None,
    title_field: Annotated[str | None, typer.Option(help="Field of the title.")] = None,
    vector_field: Annotated[
        str | None, typer.Option(help="Which of several vectors.", show_default="the only one")
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON Lines that go with the vectors of faiss."),
    ] = None,
    vectors: Annotated[
        bool | None,
        typer.Option(
            "--trust-vectors/--ignore-vectors",
            help="Take the vectors there for the model's own, or none of them.",
            show_default="as a sample says that is embedded once more",
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write what was rejected, as JSON Lines."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what is there and what would become of its vectors."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Move in from another system: documents, metadata, and vectors if the model is the same.

    Nothing changes there. Call it again after an interruption: what is stored is skipped.
    """
    fields = Fields(id=id_field, text=text_field, title=title_field)
    where = Place(place, from_name, vector_field, texts)
    with open_library(data, model) as library, open_system(system, where) as holding:
        if dry_run:
            move = Move(holding, fields, _embedder(library, collection))
            looked = MovedIn(system, holding.name, _verdict(move, vectors), move.survey())
            looked.show(as_json)
            return
        obtained = library.obtain(collection, model, language)
        move = Move(holding, fields, library.filling(obtained))
        verdict = _verdict(move, vectors)
        messages.note(verdict_text(verdict))
        done = _moved(library, collection, move, verdict, rejects)
        MovedIn(system, holding.name, verdict, done=done, left=dict(move.left.counts)).show(as_json)
    raise typer.Exit(done.exit_code)


def _embedder(library: Library, name: str) -> Embedder:
    """The model of a collection, or the one it would be made with."""
    if name in library.names():
        return library.filling(library.open(name))
    return library.model(library.config.model)


def _verdict(move: Move, told: bool | None) -> Verdict:
    if told is None:
        return move.verdict()
    return Verdict(told, "you vouch for them" if told else "you said so")


def _moved(
    library: Library, name: str, move: Move, verdict: Verdict, rejects: Path | None
) -> Indexed:
    def reads(pictures: bool) -> Iterator[Read]:  # noqa: ARG001 - entries have no pictures
        return move.reads(verdict)

    return index_reads(library, name, reads, None, rejects=rejects)
