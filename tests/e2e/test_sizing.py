"""The measurement behind the table of sizes."""

from __future__ import annotations

from pathlib import Path

from judged import write_lines

from benchmarks.sizing import PARTS, first_texts, measure

DOCUMENTS = 50
VECTOR_BYTES = 384 * 4


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    """Vectors take four bytes a component, and everything on disk is counted under its part."""
    given = tmp_path / "texts.jsonl"
    write_lines(given, *({"id": str(n), "text": f"text number {n}"} for n in range(DOCUMENTS)))
    result = measure(given, first_texts(given, 3), tmp_path / "measured")
    assert result["documents"] == result["chunks"] == DOCUMENTS
    assert result["disk_bytes"]["vectors"] == DOCUMENTS * VECTOR_BYTES
    assert set(result["disk_bytes"]) <= {*PARTS.values(), "the rest"}
    kept = [path for path in (tmp_path / "measured" / "full").rglob("*") if path.is_file()]
    assert sum(result["disk_bytes"].values()) == sum(path.stat().st_size for path in kept)
    assert min(result["service_mb"].values()) > 0
