"""CSV and TSV."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.readers import Fields
from indexer.readers.records import MAX_RECORD_BYTES


def test_rows_are_documents(read) -> None:
    """The header names the fields; a row without id is called by file and line."""
    found = read("t.csv", "id,title,text,year\na,T,one,1999\nb,,two,2000\n")
    first, second = found.documents
    assert (first.id, first.title, first.text, first.metadata) == ("a", "T", "one", {"year": 1999})
    assert second.id == "b"


def test_line_as_id(read) -> None:
    """A table without ids calls its rows by the line they begin on."""
    found = read("t.csv", 'text\n"one\nand more"\ntwo\n')
    assert [(d.id, d.text) for d in found.documents] == [
        ("t.csv:2", "one\nand more"),
        ("t.csv:4", "two"),
    ]


def test_columns_have_one_type(read) -> None:
    """A column is of numbers or truth values only if all its cells are."""
    rows = [
        "text,year,zip,price,flag,mixed,big,none",
        "a,1999,02134,1.5,true,1,9223372036854775807,",
        "b,-3,12345,2e3,FALSE,x,9223372036854775808,",
    ]
    first, second = read("t.csv", "\n".join(rows)).documents
    assert first.metadata == {
        "year": 1999,
        "zip": "02134",
        "price": 1.5,
        "flag": True,
        "mixed": "1",
        "big": "9223372036854775807",
    }
    assert second.metadata["zip"] == "12345"
    assert second.metadata["price"] == 2000.0
    assert second.metadata["flag"] is False


def test_id_text_and_title_are_strings(read) -> None:
    """What looks like a number is still the id, text and title as written."""
    found = read("t.csv", "id,text,title\n007,1.50,1984\n")
    assert (found.document.id, found.document.text, found.document.title) == ("007", "1.50", "1984")


def test_empty_cells(read) -> None:
    """An empty cell is no field; an empty text is a text."""
    document = read("t.csv", "id,text,a,b\n1,,,x\n").document
    assert document.text == ""
    assert document.metadata == {"b": "x"}


def test_ragged_and_broken_rows(read) -> None:
    """Rows of another width or with broken quotes are rejected by line; others are read."""
    content = 'id,text\n1,one\n2\n3,three,more\n4,"fo"ur\n5,five\n'
    found = read("t.csv", content)
    assert [d.id for d in found.documents] == ["1", "5"]
    assert [r.place for r in found.rejections] == ["t.csv:3", "t.csv:4", "t.csv:5"]
    assert found.rejections[0].reason == "1 cells under a header of 2 columns"


def test_open_quote_costs_one_line(read) -> None:
    """A quote that is never closed costs its own line, not the rest of the file."""
    content = 'id,text\n1,one\n2,"two\n' + "".join(f"{n},x\n" for n in range(3, 100))
    found = read("t.csv", content)
    assert [d.id for d in found.documents] == ["1", *(str(n) for n in range(3, 100))]
    assert [r.place for r in found.rejections] == ["t.csv:3"]


def test_huge_cell(read) -> None:
    """A record over the limit is rejected; cells beyond the csv module's own limit are fine."""
    fine, huge = "y" * 200_000, "x" * (MAX_RECORD_BYTES + 10)
    found = read("t.csv", f"id,text\n1,{huge}\n2,{fine}\n3,z\n")
    assert [d.id for d in found.documents] == ["2", "3"]
    assert [r.place for r in found.rejections] == ["t.csv:2"]
    assert "longer than" in found.rejections[0].reason


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_of_the_header(read, delimiter: str) -> None:
    """The header says what parts the cells."""
    rows = [["id", "text", "n"], ["1", "a, b; c", "2"]]
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(rows)
    document = read("t.csv", written.getvalue()).document
    assert (document.text, document.metadata) == ("a, b; c", {"n": 2})


def test_tsv_with_and_without_quotes(read) -> None:
    """Quotes in TSV part cells or are themselves, whichever leaves fewer rows broken."""
    quoted = read("q.tsv", 'id\ttext\n1\t"two\nlines"\n').document
    assert quoted.text == "two\nlines"
    bare = read("b.tsv", 'id\ttext\n1\t"so" he said\n2\t5" wide\n')
    assert [d.text for d in bare.documents] == ['"so" he said', '5" wide']


def test_encodings(read) -> None:
    """A mark is no part of the first column; a detected encoding is told in the metadata."""
    text = "id,text\n1,Grüße aus Köln und schöne Straßen überall für müde Füße\n"
    assert read("a.csv", text.encode("utf-8-sig")).document.id == "1"
    assert read("b.csv", text.encode("utf-16")).document.metadata == {"encoding": "utf-16"}
    latin = read("c.csv", text.encode("latin-1")).document
    assert "Grüße aus Köln" in latin.text
    assert latin.metadata["encoding"] in ("cp1252", "latin_1", "cp1250", "iso8859_15")


def test_one_bad_byte_costs_one_row(read) -> None:
    """In a file that is otherwise UTF-8, a row that is not is rejected alone."""
    content = "id,text\n1,café crème\n2,na".encode() + b"\xef" + "ve\n3,déjà vu\n".encode()
    found = read("t.csv", content)
    assert [d.text for d in found.documents] == ["café crème", "déjà vu"]
    assert [(r.place, "not valid utf-8" in r.reason) for r in found.rejections] == [
        ("t.csv:3", True)
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty: expected a header line"),
        (
            "a,b\n1,2\n",
            "no field 'text', but 'a', 'b'; for `bearing index`, --text-field names another",
        ),
        ("text,a,a\n1,2,3\n", "two columns are called 'a'"),
        ('"text\n', "the header line: broken row"),
    ],
)
def test_tables_that_cannot_be_read(read, content: str, reason: str) -> None:
    """A table whose columns are not clear is rejected as a whole, once."""
    rejection = read("t.csv", content).rejection
    assert rejection.place == "t.csv"
    assert reason in rejection.reason


def test_column_without_name(read) -> None:
    """A column without a name, such as a data frame's index, is called by its number."""
    assert read("t.csv", ",text\n0,a\n").document.metadata == {"column 1": 0}


def test_packed_and_named_fields(read) -> None:
    """A packed table is read, with columns taken by name."""
    content = gzip.compress(b"key;body\nk;words\n")
    document = read("t.csv.gz", content, Fields(id="key", text="body")).document
    assert (document.id, document.text) == ("k", "words")


def test_old_mac_and_blank_lines(read) -> None:
    """Any line ending will do, and blank lines are passed over."""
    assert len(read("t.csv", "id,text\r1,a\r\r2,b\r").documents) == 2
    assert len(read("u.csv", "id,text\r\n1,a\r\n\r\n2,b\r\n").documents) == 2


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\x85\u2028\u2029"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(CELL, min_size=1, max_size=8), st.sampled_from(["csv", "tsv"]))
def test_what_the_csv_module_writes(read, texts: list[str], kind: str) -> None:
    """Whatever the csv module writes is read back: text for text."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter="," if kind == "csv" else "\t")
    writer.writerow(["id", "text"])
    writer.writerows([str(n), text] for n, text in enumerate(texts))
    found = read(f"t.{kind}", written.getvalue())
    assert [d.text for d in found.documents] == texts


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        ('id;text;"Preis, EUR"\n1;Die Pumpe leckt;3\n', {"Preis, EUR": 3}),
        ("id\ttext\tsize (l, net)\n1\tDie Pumpe leckt\t3\n", {"size (l, net)": 3}),
        ("id,text,a;b;c;d\n1,Die Pumpe leckt,3\n", {"a;b;c;d": 3}),
        ('id|text|"a,b"\n1|Die Pumpe leckt|x,y\n', {"a,b": "x,y"}),
        ("sep=;\r\nid;text;n\r\n1;Die Pumpe leckt;3\r\n", {"n": 3}),
        ('"sep=|"\nid|text|n\n1|Die Pumpe leckt|3\n', {"n": 3}),
        ("\ufeffSEP=\t\r\nid\ttext\tn\r\n1\tDie Pumpe leckt\t3\r\n", {"n": 3}),
    ],
)
def test_what_parts_the_cells(read, content: str, metadata: dict[str, object]) -> None:
    """Header and rows agree on it, or Excel's own line says it, also in TSV."""
    for name in ("a.csv", "a.tsv") if "sep" in content.lower() else ("a.csv",):
        document = read(name, content).document
        assert (document.id, document.text) == ("1", "Die Pumpe leckt")
        assert document.metadata == metadata


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("text;Preis, netto\nDie Pumpe leckt;3,5\nEin Ventil;4,25\n", "text"),
        ("Titel, kurz;Inhalt;Ort, Land\nA;Die Pumpe, sie leckt;B\n", "Inhalt"),
    ],
)
def test_commas_that_agree_by_chance(read, content: str, text: str) -> None:
    """Decimal commas under a comma of the header do not part a column from the text's name."""
    first, *_ = read("a.csv", content, Fields(text=text)).documents
    assert first.text.startswith("Die Pumpe")


def test_one_column_with_commas(read) -> None:
    """Of a table of one column, the commas are text; lines are counted from the file's first."""
    found = read("a.csv", "text\nfirst, second\nthird\n")
    assert [document.text for document in found.documents] == ["first, second", "third"]
    assert [d.id for d in read("b.csv", "sep=;\ntext;n\na;1\n").documents] == ["b.csv:3"]


def test_nul(read) -> None:
    """A row with a NUL is refused; a header with one is that of no text."""
    found = read("a.csv", "id,text\n1,a\x00b\n2,c\n")
    assert [document.text for document in found.documents] == ["c"]
    assert [(r.place, r.reason) for r in found.rejections] == [("a.csv:2", "holds a NUL character")]
    assert "UTF-16" in read("b.csv", "id,text\n1,ab\n".encode("utf-16-le")).rejection.reason
