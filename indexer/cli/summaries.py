"""Sentences and figures on what a command did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from indexer.cli.messages import UNKNOWN_REMEDY, counted, readable_duration
from indexer.ingestion.pipeline import Summary
from indexer.reports import Verification


def verification_text(found: Verification) -> str:
    """The parts that were checked, and each finding with its meaning and remedy."""
    counted = f"{found.documents:,} documents, {found.chunks:,} chunks, {found.vectors:,} vectors"
    lines = [f"{found.collection}: {counted}", f"index: {found.index}", f"model: {found.model}"]
    lines.append(f"words: {found.words}")
    for one in found.findings:
        lines += ["", f"{one.place}: {one.problem}", f"  means: {one.meaning}"]
        lines += [f"  do: {one.remedy}"]
    verdict = "nothing is wrong" if found.sound else f"findings: {len(found.findings)}"
    return "\n".join([*lines, "", verdict])


def summary_figures(summary: Summary) -> dict[str, Any]:
    """The outcome of a run, with its speed."""
    seconds = max(summary.seconds, 1e-3)
    documents = summary.written + summary.amended + summary.unchanged
    return {
        **asdict(summary),
        "truncated": list(summary.truncated),
        "unknown": list(summary.unknown),
        "documents_per_second": round(documents / seconds, 1),
        "tokens_per_second": round(summary.tokens / seconds, 1),
    }


def summary_text(summary: Summary, collection: str) -> str:
    """The outcome of a run, a sentence for each fact worth knowing."""
    lines = [
        f"{collection}: {counted(summary.written, 'document')} written "
        f"({counted(summary.chunks, 'chunk')}, {counted(summary.tokens, 'token')}), "
        f"{summary.amended:,} with new metadata only, {summary.unchanged:,} unchanged, "
        f"in {readable_duration(summary.seconds)}."
    ]
    if summary.repeated:
        lines.append(
            f"{summary.repeated:,} documents have an id that came before in the input: of those "
            "with one id the last stays."
        )
    if summary.empty:
        lines.append(f"{summary.empty:,} documents have no text.")
    if summary.truncated:
        shown = _some(summary.truncated)
        lines.append(f"{len(summary.truncated):,} documents are embedded in part only: {shown}")
    if summary.unknown:
        lines.append(
            "Documents with a passage of which the model knows no word, so that its vector says "
            f"nothing: {len(summary.unknown):,} ({_some(summary.unknown)}). {UNKNOWN_REMEDY}"
        )
    return "\n".join(lines)


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
