"""The card of a trained model: README.md beside it, for who finds the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from indexer.learning.trained import Trained

CARD = "README.md"


def write_card(folder: Path, trained: Trained) -> None:
    """Write the card of a model into its folder."""
    (folder / CARD).write_text("\n".join(_lines(trained)) + "\n", encoding="utf-8")


def _lines(trained: Trained) -> Iterator[str]:
    data = trained.data
    yield from ("---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity")
    yield from ("---", "", f"# {trained.name}", "")
    yield f"{trained.base.model}, trained further by Bearing's method `{trained.method}`."
    yield from ("", "## Data", "")
    yield f"- source: {data.source}"
    yield f"- {data.pairs:,} pairs of {data.queries:,} queries and {data.documents:,} documents"
    yield f"- {data.rejected:,} rejected"
    yield f"- SHA-256 of what was read: {data.sha256}"
    yield from ("", "## Settings", "", "| setting | value |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in trained.settings.items())
    yield from ("", "## Figures", "")
    if trained.figures:
        yield "| held out by | measure | queries | before | after | p |"
        yield "|---|---|---|---|---|---|"
    else:
        yield "No queries were held out, so nothing is known of how good it is."
    for one in trained.figures:
        p = "" if one.p is None else f"{one.p:.4f}"
        cells = (one.split, one.measure, one.queries, f"{one.before:.4f}", f"{one.after:.4f}", p)
        yield f"| {' | '.join(map(str, cells))} |"
    yield from ("", "## Limits", "")
    yield (
        "It was trained for texts like those above; of others nothing is known. Vectors of it and "
        "of its base cannot be compared. The figures are of a small trial within the data: "
        "`bearing promote` judges on a collection."
    )
