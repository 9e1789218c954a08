"""Documents in readable form, given as JSON has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from indexer.cli.messages import Figures, printable

TEXT_CHARACTERS: Final = 160
VALUE_CHARACTERS: Final = 60


def documents_table(documents: Sequence[Figures]) -> RenderableType:
    """Documents below each other: title and id, metadata, and how the text begins."""
    return Group(*(Padding(_brief(one), (0, 0, 1, 0)) for one in documents))


def _brief(document: Figures) -> Text:
    lines = [_heading(document)]
    facts = ", ".join(_facts(document, VALUE_CHARACTERS))
    if facts:
        lines.append(Text(facts, style="dim"))
    if beginning := _cut(" ".join(str(document.get("text", "")).split()), TEXT_CHARACTERS):
        lines.append(Text(beginning))
    return Text("\n").join(lines)


def whole_document(document: Figures) -> RenderableType:
    """A document with all its metadata and its whole text."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in document.get("metadata", {}).items():
        table.add_row(printable(name), _told(value))
    text = "\n".join(printable(line) for line in str(document.get("text", "")).splitlines())
    parts: list[RenderableType] = [_heading(document)]
    if document.get("metadata"):
        parts.append(table)
    if text:
        parts += ["", Text(text)]
    return Group(*parts)


def _heading(document: Figures) -> Text:
    title, id = document.get("title"), str(document["id"])
    heading = Text(printable(title or id), style="bold")
    if title:
        heading.append(f"  {printable(id)}", style="dim not bold")
    return heading


def _facts(document: Figures, most: int) -> Iterator[str]:
    for name, value in document.get("metadata", {}).items():
        yield f"{printable(name)}: {_cut(_told(value), most)}"


def _told(value: Any) -> str:  # noqa: ANN401 - a value of metadata
    values = value if isinstance(value, list | tuple) else [value]
    return printable("; ".join("null" if one is None else str(one) for one in values))


def _cut(text: str, most: int) -> str:
    line = printable(text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
