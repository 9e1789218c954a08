"""Notebooks, Org, Rich Text and subtitles."""

from __future__ import annotations

import json

import pytest

from indexer.queries import Passage

CODE = {"cell_type": "code", "source": ["x = 1\n", "\n", "\n", "x"], "outputs": [{"text": "no"}]}
NOTEBOOK = {
    "nbformat": 4,
    "metadata": {"language_info": {"name": "python"}},
    "cells": [
        {"cell_type": "markdown", "source": "# The *start*\n\nSome text.\n\n## Data"},
        CODE,
        {"cell_type": "raw", "source": "as it is"},
        {"cell_type": "markdown", "source": ["## More\n"]},
    ],
}
TEXT = "Some text.\n\n\nData\n\nx = 1\n\n\nx\n\nas it is\n\n\nMore"


def test_a_notebook_is_its_text_and_code(read) -> None:
    """Its first heading is the title, and no output is text."""
    document = read("n.ipynb", json.dumps(NOTEBOOK)).document
    assert (document.title, document.text) == ("The start", TEXT)
    headings = ["Data", "More"]
    assert document.metadata == {"format": "notebook", "language": "python", "headings": headings}
    large = {**NOTEBOOK, "more": "x" * 300_000}
    assert read("n.ipynb", json.dumps(large)).document.text == TEXT


def test_notebooks_of_earlier_versions_have_worksheets(read) -> None:
    """And cells for headings."""
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Old"},
        {"cell_type": "code", "input": "y = 2"},
    ]
    document = read(
        "n.ipynb", json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]})
    ).document
    assert (document.title, document.text) == ("Old", "y = 2")


@pytest.mark.parametrize("content", ["[]", '{"cells": 1}', "{}", "{", '{"worksheets": [1]}'])
def test_what_is_no_notebook_is_refused(read, content) -> None:
    """With the reason."""
    assert "not " in read("n.ipynb", content).rejection.reason


ORG = """#+TITLE: My notes
#+AUTHOR: Ann
An [[https://example.org][introduction]].

* TODO First   :work:home:
SCHEDULED: <2024-01-02 Tue>
:PROPERTIES:
:CUSTOM_ID: one
:END:
Words.
# a comment
** Second
#+BEGIN_SRC python
def f():


    return 1
#+END_SRC
"""


def test_org_is_read_with_its_headings(read) -> None:
    """Links are their descriptions, code is kept, drawers and comments are left out."""
    document = read("n.org", ORG).document
    assert document.title == "My notes"
    assert document.text == (
        "An introduction.\n\n\nFirst\n\nWords.\n\n\nSecond\n\ndef f():\n\n\n    return 1"
    )
    assert document.metadata == {
        "format": "org",
        "author": "Ann",
        "tags": ["home", "work"],
        "headings": ["First", "First > Second"],
    }
    assert read("n.org", "* Only").document.title == "Only"


RICH = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title My \'e9t\'e9}{\author Ann}}"
    rb"\pard Hello \b bold\b0  and \u8364? or \'80\par{\pict\wmetafile8 "
    + b"0123456789abcdef" * 4_000
    + rb"}Second\line line\par}"
)


def test_rich_text_is_its_text(read) -> None:
    """Characters in both notations, pictures left out; what is called .doc may be one."""
    for name in ("a.rtf", "a.doc", "a"):
        document = read(name, RICH).document
        assert (document.title, document.text) == (
            "My \u00e9t\u00e9",
            "Hello bold and \u20ac or \u20ac\nSecond\nline",
        )
        assert document.metadata == {"format": "rtf", "author": "Ann"}
    assert "another format" in read("a.rtf", "plain").rejection.reason


SRT = """1
00:00:01,000 --> 00:00:03,000
<i>Hello</i>
there.

2
00:00:03,000 --> 00:00:05,000
Hello there.

3
01:01:05,000 --> 01:01:06,500
Fine & well.
"""


def test_subtitles_tell_when_something_is_said(read) -> None:
    """Times are headings, one a minute; a line that goes on showing is there once."""
    document = read("a.srt", SRT).document
    assert document.text == "0:00:01\n\nHello there.\n\n\n1:01:05\n\nFine & well."
    assert document.metadata["seconds"] == 3_666
    start = document.text.index("Fine")
    assert Passage.of(document, start, start + 4).headings == ("1:01:05",)


def test_subtitles_of_the_web_and_of_anime(read) -> None:
    """Notes and markup are left out, entities are their characters."""
    web = "WEBVTT\n\nNOTE not this\n\n00:01.000 --> 00:03.000 align:start\n<v Bob>You &amp; me\n"
    assert read("a.vtt", web).document.text == "0:00:01\n\nYou & me"
    assert read("a", web).document.metadata["format"] == "subtitles"
    anime = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,Not this\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\b1}Bold{\\b0}\\Nline\n"
    )
    assert read("a.ass", anime).document.text == "0:00:01\n\nBold line"
    assert "not subtitles" in read("a.srt", "only text").rejection.reason
