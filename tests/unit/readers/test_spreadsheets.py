"""Spreadsheets, made by openpyxl."""

from __future__ import annotations

import datetime
import io

import openpyxl
import pytest


@pytest.fixture(scope="module")
def book() -> bytes:
    """A workbook of two sheets with something in them, one of which is hidden."""
    made = openpyxl.Workbook()
    made.properties.title = "Our people"
    made.properties.creator = "A. Uthor"
    people = made.active
    people.title = "People"
    seen = datetime.datetime.fromisoformat("2020-05-06 07:08")
    people.append(["Name", "Born", "Share", "Seen", "Here"])
    people.append(["Ann", datetime.date(1999, 1, 2), 0.25, seen, True])
    people.append(["Bob\nBuilder", None, 3, None, 12345678901])
    people.merge_cells("A5:C5")
    people["A5"] = "Merged"
    people["B7"] = "=1+1"
    hidden = made.create_sheet("Lists")
    hidden["A1"] = "secret"
    hidden.sheet_state = "hidden"
    made.create_sheet("Empty")
    made.create_chartsheet("Chart")
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()  # fmt: skip


def test_each_sheet_is_a_document(read, book) -> None:
    """Rows are lines, empty ones part paragraphs, dates and numbers are written plainly."""
    found = read("b.xlsx", book)
    people, lists = found.documents
    assert not found.rejections
    assert (people.id, people.title) == ("b.xlsx#People", "Our people: People")
    assert people.text == (
        "Name\tBorn\tShare\tSeen\tHere\n"
        "Ann\t1999-01-02\t0.25\t2020-05-06 07:08\tTRUE\n"
        "Bob Builder\t\t3\t\t12345678901\n\n"
        "Merged"
    )
    facts = {name: people.metadata[name] for name in ("format", "author", "sheet", "columns")}
    assert facts == {"format": "spreadsheet", "author": "A. Uthor", "sheet": "People", "columns": 5}
    assert "hidden" not in people.metadata
    assert (lists.id, lists.text, lists.metadata["hidden"]) == ("b.xlsx#Lists", "secret", True)


def test_the_value_of_a_formula_is_the_one_that_was_saved(read, book) -> None:
    """What opens without being saved by a program that computes has none."""
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as given, zipfile.ZipFile(out, "w") as made:
        for name in given.namelist():
            part = given.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b"<v></v>" in part or b"<v/>" in part or b"<v />" in part
                for empty in (b"<v></v>", b"<v/>", b"<v />"):
                    part = part.replace(empty, b"<v>2</v>")
            made.writestr(name, part)
    assert read("b.xlsx", out.getvalue()).documents[0].text.endswith("Merged\n\n\t2")


def test_cells_far_away_do_not_take_the_memory(read) -> None:
    """A sheet whose used area is too large is refused by itself."""
    made = openpyxl.Workbook()
    made.active["A1"] = "near"
    made.active["XFD1048576"] = "far"
    out = io.BytesIO()
    made.save(out)
    assert "too large" in read("far.xlsx", out.getvalue()).rejection.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 damaged", "damaged: File is not a zip file"),
        (b"a,b\n1,2\n", "not a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ],
    ids=["damaged", "csv", "encrypted"],
)
def test_what_is_no_spreadsheet_is_refused(read, content, reason) -> None:
    """With the reason."""
    assert reason in read("a.xlsx", content).rejection.reason
