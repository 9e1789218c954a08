"""Markdown files."""

from __future__ import annotations

import pytest

from indexer.readers.extracted import MAX_TRUSTED_BYTES
from indexer.readers.markdown import extract

FILE = """\
<!-- a comment -->

# The *first* `heading`

A [link](https://example.org "title") and **bold** text,
going on; an ![image of a cat](cat.png), &copy; and ~~gone~~.<br>Next <span>line</span>.

- one
- two
  - three

1. loose

2. list

> quoted

```python
def f(x):  # not a heading
    return x * 2
```

    indented code

| A | B |
|---|---|
| 1 | `x` |

<div>In <b>HTML</b><script>no()</script></div>

[ref]: https://example.org

Second heading
--------------

End [ref].
"""

TEXT = """\
A link and bold text, going on; an image of a cat, © and gone.
Next line.

one
two
three

loose

list

quoted

def f(x):  # not a heading
    return x * 2

indented code

A\tB
1\tx

In HTML


Second heading

End ref."""


def test_file(read) -> None:
    """A file is its first heading as title, and its text without markup, code kept."""
    document = read("a.md", FILE).document
    assert (document.id, document.title) == ("a.md", "The first heading")
    assert document.text == TEXT
    assert document.metadata == {"format": "markdown", "headings": ["Second heading"]}


def test_yaml_front_matter(read) -> None:
    """YAML in front gives the title and metadata; the first heading is then text."""
    front = "---\ntitle: T\ndate: 2024-01-02\ntags: [a, b]\nseo: {index: true}\ndraft:\n---\n"
    document = read("a.markdown", front + "# H\n\ntext\n").document
    assert (document.title, document.text) == ("T", "H\n\ntext")
    assert document.metadata == {
        "format": "markdown",
        "date": "2024-01-02",
        "tags": ["a", "b"],
        "seo.index": True,
        "headings": ["H"],
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0123", "0123"),
        ("12:30:15", "12:30:15"),
        ("yes", "yes"),
        ("off", "off"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12e5", "12e5"),
        ("-17", -17),
        ("0", 0),
        ("3.50", 3.5),
        ("true", True),
        ("2024-01-02", "2024-01-02"),
        ("'42'", "42"),
    ],
)
def test_yaml_values_are_what_they_say(written: str, read: object) -> None:
    """As YAML 1.2 has it: a book's number is no octal one, and a time no count of seconds."""
    assert extract(f"---\na: {written}\n---\ntext".encode()).metadata == {"a": read}


def test_yaml_keys_are_text() -> None:
    """Also those that YAML 1.1 took for something else."""
    found = extract(b"---\nyes: 1\n010: 2\nnull: 3\n---\ntext").metadata
    assert set(found) >= {"yes", "010"}


@pytest.mark.parametrize(
    ("title", "read"), [("[a, b]", "a, b"), ("true", "true"), ("2024", "2024")]
)
def test_a_title_that_is_no_string_is_read_as_written(title: str, read: str) -> None:
    """A list's elements are told, not its form in Python."""
    assert extract(f"---\ntitle: {title}\n---\ntext".encode()).title == read


def test_toml_front_matter() -> None:
    """TOML in front is understood as well."""
    found = extract(b'+++\ntitle = "T"\nweight = 3\n+++\ntext\n')
    assert (found.title, found.text, found.metadata) == ("T", "text", {"weight": 3})


@pytest.mark.parametrize("front", ["---\nat: {}\n---\n", "+++\nat = {}\n+++\n"])
def test_moments_of_front_matter_keep_their_offset(front: str) -> None:
    """A moment of YAML or TOML is told as it was written."""
    at = "2024-03-01T09:30:00-07:00"
    assert extract((front.format(at) + "text").encode()).metadata == {"at": at}


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("---\na: [1\n---\n", "front matter is not YAML"),
        ("---\na: b: c\n---\n", "(line 2)"),
        ("---\na: &x [1]\nb: *x\n---\n", "aliases"),
        ("---\na: " + "[" * 3000 + "\n---\n", "front matter"),
        ("---\na: !!python/object:os.system x\n---\n", "front matter is not YAML"),
        ("+++\na = \n+++\n", "front matter is not TOML"),
        ("---\na: [[1]]\n---\n", "a list that holds a list"),
        ("---\na: 1\na: 2\n---\n", "the key 'a' is there twice (line 3)"),
    ],
)
def test_broken_front_matter(read, front: str, reason: str) -> None:
    """Front matter that cannot be read is told, and the text behind it is read."""
    found = read("a.md", front + "# Heading\n\ntext\n")
    (rejection,) = found.rejections
    assert rejection.place == "a.md:front matter"
    assert reason in rejection.reason
    assert [(each.title, each.text) for each in found.documents] == [("Heading", "text")]


def test_thematic_breaks() -> None:
    """A file that begins with a thematic break has no front matter."""
    found = extract(b"---\n\nJust a paragraph.\n\n---\n\nAnother.\n")
    assert found.text == "Just a paragraph.\n\nAnother."
    assert found.metadata == {}


def test_only_a_heading() -> None:
    """A file that is only a heading has it as title and text."""
    found = extract(b"# Alone\n")
    assert (found.title, found.text) == ("Alone", "Alone")


def test_no_text(read) -> None:
    """A file that shows nothing is rejected."""
    assert read("a.md", "<!-- nothing -->\n").rejection.reason == "no text in it"


def test_large_file(read) -> None:
    """A large file, read in a process of its own, gives the same as a small one."""
    document = read("a.md", FILE + "\n" + "word " * (MAX_TRUSTED_BYTES // 5 + 1)).document
    assert document.title == "The first heading"
    assert document.text.startswith(TEXT)


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("title: Release notes: what changed", "mapping values are not allowed"),
        ("title: {{title}}", "front matter"),
        ("# a comment\n\ttitle: x", "front matter"),
        ("title: " + "x" * 70_000, "longer than"),
    ],
)
def test_front_matter_of_real_notes(read, front: str, reason: str) -> None:
    """An unquoted colon, a template's braces, a tab, or very long fields cost no note."""
    found = read("a.md", f"---\n{front}\n---\n\nThe flux capacitor.\n")
    assert [document.text for document in found.documents] == ["The flux capacitor."]
    assert reason in found.rejections[0].reason


def test_front_matter_that_dots_end(read) -> None:
    """Three dots end YAML, as its own standard has it."""
    document = read("a.md", "---\ntitle: T\n...\n\ntext\n\n---\n\nmore\n").document
    assert (document.title, document.text) == ("T", "text\n\nmore")


def test_metadata_that_cannot_be(read) -> None:
    """Fields that no document can have are told, and the note is read without them."""
    found = read("a.md", "---\n$where: x\n---\ntext\n")
    assert [document.metadata for document in found.documents] == [{"format": "markdown"}]
    assert [each.place for each in found.rejections] == ["a.md:metadata"]


def test_paragraph_between_breaks() -> None:
    """What stands between thematic breaks and is no field is text, also where it is no YAML."""
    page = b"---\n[One](x): and two: here\n\nThree.\n\n---\nend\n"
    assert extract(page).text == "One: and two: here\n\nThree.\n\nend"
