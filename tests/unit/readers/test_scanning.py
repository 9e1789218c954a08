"""A look at a folder sees what reading it finds."""

from __future__ import annotations

import os
from pathlib import Path

from indexer.readers.paths import find
from indexer.readers.reading import Rejection
from indexer.readers.scanning import scan


def test_a_look_sees_what_reading_finds_in_the_same_order(tmp_path: Path) -> None:
    """Links, loops, hidden files, odd names, pipes and all."""
    names = ["b.txt", "a.txt", "a/z.txt", "a.d/x.md", "B.txt", "ä.txt", ".git/config", "a/.hidden"]
    for name in [*names, "skipped/s.txt", "odd\udcff.txt", "a/deep/deeper/one.txt"]:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    docs = tmp_path / "docs"
    (docs / "again").symlink_to("a")
    (docs / "loop").symlink_to(".")
    (docs / "lost").symlink_to("nowhere")
    (docs / "linked.txt").symlink_to("b.txt")
    os.mkfifo(docs / "pipe.txt")
    skip = [docs / "skipped"]
    found = [one if isinstance(one, Rejection) else one[0].name for one in find(str(docs), skip)]
    seen = scan(docs, skip)
    prefix = f"{docs}/"
    assert [prefix + one.name for one in seen.files] == [
        one for one in found if isinstance(one, str)
    ]
    rejected = {one.place.removeprefix(prefix) for one in found if isinstance(one, Rejection)}
    assert {one.place for one in [*seen.rejections, *seen.dangling]} == rejected
    assert rejected == {"again", "loop", "lost", "pipe.txt"}
    assert not seen.unreadable
    assert [one.name for one in scan(docs / "b.txt").files] == ["."]
    assert [one.place for one in scan(tmp_path / "nowhere").unreadable] == ["."]
