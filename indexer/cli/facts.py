"""Figures and collections in readable form; programs get the same by ``--json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from indexer.cli.messages import Figures
from indexer.layout import ByWidth
from indexer.reports import Description
from indexer.sizes import readable_bytes


def facts_table(figures: Figures) -> Table:
    """Figures by name, one to a row; those in a nested object by both names."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(figures):
        table.add_row(name, readable(name, value))
    return table


def _flat(figures: Figures, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}_")
        else:
            yield f"{before}{name}", value


def readable(name: str, value: object) -> str:
    """A figure as readable text; its name distinguishes sizes and intervals from other numbers."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return readable_bytes(value) if name.endswith("bytes") else f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, str) or not isinstance(value, Sequence):
        return str(value)
    joined = " to " if name.endswith("interval") else ", "
    return joined.join(readable("", each) for each in value) or "none"


def index_figures(index: Figures) -> Figures:
    """An index's figures under readable names: a measured recall names its k."""
    k = index.get("recall_k")
    named = {
        name.replace("recall", f"recall@{k}") if k else name: value
        for name, value in index.items()
        if name not in ("recall_k", "bands")
    }
    return {**named, **dict(_recalls(index.get("bands", {}), k))}


def _recalls(bands: Figures, first: int | None) -> Iterator[tuple[str, Any]]:
    """The recall measured for each k but the first, and under filters."""
    for k, band in bands.items():
        if k != str(first):
            yield f"recall@{k}", band.get("recall")
            yield f"recall@{k}_interval", band.get("recall_interval")
        if filtered := band.get("filtered"):
            yield f"filtered_recall@{k}", filtered.get("recall")
            yield f"filtered_recall@{k}_interval", filtered.get("recall_interval")


def chunking_text(chunking: Figures | None) -> str:
    """The way documents are cut, in words."""
    if chunking is None:
        return "unknown"
    size, overlap = chunking["size"], chunking["overlap"]
    told = "as many tokens as the model takes" if size is None else f"{size:,} tokens"
    repeated = "a tenth" if overlap is None else f"{overlap:,}"
    return f"by {chunking['by']}, at most {told}, of which {repeated} may be repeated"


def descriptions(collections: Sequence[Description]) -> RenderableType:
    """Collections, one to a row; on a narrow terminal, a few lines each."""
    return ByWidth(_description_table(collections), _description_list(collections))


def _description_table(collections: Sequence[Description]) -> Table:
    table = Table("collection", "documents", "chunks", "size", "model", "dimension", "index")
    table.columns[3].no_wrap = True
    for one in collections:
        table.add_row(
            one.name,
            f"{one.documents:,}",
            readable("chunks", one.chunks),
            readable("bytes", one.bytes),
            one.model,
            str(one.dimension),
            str(one.index.get("kind", "")),
        )
    return table


def _description_list(collections: Sequence[Description]) -> Group:
    lines: list[RenderableType] = []
    for one in collections:
        lines.append(Text(one.name, style="bold", overflow="fold"))
        counted = f"{one.documents:,} documents"
        if one.chunks is not None and one.bytes is not None:
            counted += f", {one.chunks:,} chunks, {readable_bytes(one.bytes)}"
        model = f"{one.model}, {one.dimension} dimensions"
        if kind := one.index.get("kind"):
            model += f", index {kind}"
        lines += [_indented(counted), _indented(model)]
    return Group(*lines)


def _indented(line: str) -> RenderableType:
    return Padding(Text(line, overflow="fold"), (0, 0, 0, 2))
