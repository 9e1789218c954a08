"""What commands print on narrow terminals, and to programs that read lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import run_bearing
from rich.cells import cell_len

LONG = "a-collection-with-quite-a-long-name-of-many-words"
WIDTHS = (40, 80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a collection of a long name."""
    folder = tmp_path_factory.mktemp("narrow")
    records = [
        {
            "id": f"notes/{year}",
            "text": f"What was written in {year} of ink and pens.",
            "year": year,
        }
        for year in range(1990, 2020)
    ]
    (folder / "notes.jsonl").write_text("\n".join(map(json.dumps, records)))
    shown(folder, 80, "index", str(folder / "notes.jsonl"), "--collection", LONG)
    return folder


def shown(folder: Path, width: int, *words: str, **settings: str) -> str:
    """What a command prints on a terminal of that many columns."""
    given = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing-64"} | settings
    done = run_bearing(list(words), env=given | {"COLUMNS": str(width)})
    assert done.exit_code == 0, done.output
    return done.stdout


def joined(text: str) -> str:
    """Text without the line ends and spaces that a layout puts in."""
    return "".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["stats", "collections", "rebuild"])
def test_a_collection_is_described_in_any_width(folder: Path, width: int, name: str) -> None:
    """No line is wider than the terminal, nothing is cut, and a name can be copied whole."""
    text = shown(folder, width, name, "--collection", LONG)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert name == "rebuild" or LONG in joined(text)


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_are_words(folder: Path, width: int) -> None:
    """Lists and objects are told in words, not in a language's own notation; sizes have a unit."""
    text = shown(folder, width, "stats", "--collection", LONG)
    assert not set("[]{}'") & set(text)
    assert "dense,lexical,hybrid" in joined(text)
    assert "lexical_languageenglish" in joined(text)
    assert "kB" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_hits_are_read_in_any_width(folder: Path, width: int) -> None:
    """Scores and passages are whole, and text takes most of the width."""
    words = ("search", "ink", "-c", LONG, "-k", "2", "--filter", '{"year": {"$gte": 2018}}')
    text = shown(folder, width, *words)
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "Whatwaswrittenin2019ofinkandpens." in joined(text)
    assert len([line for line in lines if line.strip()]) <= 10


@pytest.mark.parametrize("width", WIDTHS)
def test_diagnoses_are_read_in_any_width(folder: Path, width: int) -> None:
    """Words of the explanations stay whole."""
    text = shown(folder, width, "diagnose", "--collection", LONG)
    assert "documents" in text.split()
    assert len(text.splitlines()) < 200
    assert {"length", "stored", "vector"} <= set(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_cell_of_a_matrix_is_cut(folder: Path, width: int) -> None:
    """Where columns have no room, a line is a cell."""
    texts = [f"text number {number} of these" for number in range(6)]
    text = shown(folder, width, "similarity", *texts)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.count("1.0000") >= 6
    assert text.count(".") >= 2 * 36


def test_colours_are_left_out_where_nobody_wants_them(folder: Path) -> None:
    """NO_COLOR, and a pipe, give text alone."""
    assert "\x1b" not in shown(folder, 80, "search", "ink", "-c", LONG)
    coloured = shown(folder, 80, "search", "ink", "-c", LONG, FORCE_COLOR="1")
    plain = shown(folder, 80, "search", "ink", "-c", LONG, FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in plain
