"""Arrow files, and datasets saved to disk: rows are documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pytest

from indexer.documents import Document
from indexer.readers import USUAL, Fields, read_paths
from indexer.readers.reading import Rejection

ROWS = [
    {"id": f"n{number}", "text": f"text {number}", "label": number % 2, "stars": number / 2}
    for number in range(5)
]
FEATURES = {"label": {"names": ["dull", "bright"], "_type": "ClassLabel"}, "text": {}}


def table(features: dict[str, Any] | None = None) -> pyarrow.Table:
    """The rows, as a dataset of these features."""
    made = pyarrow.Table.from_pylist(ROWS)
    if features is None:
        return made
    told = json.dumps({"info": {"features": features}})
    return made.replace_schema_metadata({"huggingface": told})


def save_stream(path: Path, made: pyarrow.Table) -> None:
    """Save it as ``datasets`` does, two rows a batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, made.schema) as out:
        out.write_table(made, max_chunksize=2)


def items(path: Path, fields: Fields = USUAL) -> list[Any]:
    """The documents and rejections of a path."""
    return [read.item for read in read_paths([str(path)], fields)]


def test_both_formats_of_arrow_are_read(tmp_path: Path) -> None:
    """The random access format, compressed or not, and the stream format; columns are fields."""
    expected = [
        Document(one["id"], one["text"], metadata={"label": one["label"], "stars": one["stars"]})
        for one in ROWS
    ]
    save_stream(tmp_path / "a.arrow", table())
    pyarrow.feather.write_feather(table(), str(tmp_path / "b.feather"), compression="zstd")
    (tmp_path / "c").write_bytes((tmp_path / "b.feather").read_bytes())
    for name in ("a.arrow", "b.feather", "c"):
        assert items(tmp_path / name) == expected


def test_a_dataset_on_disk_is_read_as_a_folder(tmp_path: Path) -> None:
    """Classes have their names, and what only tells about the dataset is passed over."""
    save_stream(tmp_path / "train" / "data-00000-of-00001.arrow", table(FEATURES))
    for name in ("state.json", "dataset_info.json"):
        (tmp_path / "train" / name).write_text('{"about": 1}')
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    found = items(tmp_path)
    assert [one.id for one in found] == [one["id"] for one in ROWS]
    assert [one.metadata["label"] for one in found[:2]] == ["dull", "bright"]
    (tmp_path / "state.json").write_text('{"about": 1}')
    assert any(isinstance(one, Rejection) for one in items(tmp_path / "state.json"))


@pytest.mark.parametrize(
    "features",
    [{"label": {"names": "dull"}}, {"label": 1}, [], {"text": {"names": ["a"]}}],
)
def test_what_a_dataset_tells_wrongly_is_not_believed(tmp_path: Path, features: Any) -> None:
    """Its rows are read as they are."""
    save_stream(tmp_path / "a.arrow", table(features))
    assert items(tmp_path / "a.arrow")[1].metadata["label"] == 1


@pytest.mark.parametrize("cut", [3, 40, 300, -9])
def test_a_damaged_file_is_rejected(tmp_path: Path, cut: int) -> None:
    """By its reason; so is one without a column of the text."""
    save_stream(tmp_path / "a.arrow", table())
    whole = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "cut.arrow").write_bytes(whole[:cut])
    found = items(tmp_path / "cut.arrow")
    assert isinstance(found[-1], Rejection) or len(found) == len(ROWS)
    (missing,) = items(tmp_path / "a.arrow", Fields(text="body"))
    assert "no field 'body'" in missing.reason
