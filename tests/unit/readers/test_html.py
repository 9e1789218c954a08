"""HTML pages."""

from __future__ import annotations

from textwrap import dedent

import pytest

from indexer.readers.extracted import MAX_TRUSTED_BYTES
from indexer.readers.html import extract

PAGE = """\
<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<title> The
 title &amp; more </title><style>p { color: red }</style><script>var x = "<p>no</p>"</script>
</head><body>
<header>Site name</header><nav><a href="/">Home</a></nav>
<div id="sidebar">Links</div>
<h1>Heading<a class="headerlink" href="#x">¶</a></h1>
<p>One   <b>bold</b>, <i>two</i><br>three &lt;tag&gt; &eacute;&nbsp;end<!-- comment --></p>
<script>alert("no")</script><noscript>Turn it on</noscript>
<pre><code>def f():
    return 1
</code></pre>
<ul><li>first</li><li>second <em>item</em></li></ul>
<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>
<p hidden>hidden</p><p aria-hidden="true">unseen</p><button>Press</button>
<article><header>Kept</header></article>
<svg><title>Picture</title><text>no</text></svg>
<footer>Copyright</footer></body></html>
"""

TEXT = """\
Heading

One bold, two
three <tag> é end

def f():
    return 1

first
second item

A\tB
1\t2

Kept"""


def test_page(read) -> None:
    """A page is its title and what a reader sees of it, one line a block, code kept."""
    document = read("p.html", PAGE).document
    assert document.id == "p.html"
    assert document.title == "The title & more"
    assert document.text == TEXT
    assert document.metadata == {"format": "html"}


@pytest.mark.parametrize("markup", ["<main>{}</main>", "<div role=main>{}</div>"])
def test_main_part(markup: str) -> None:
    """Of a page that marks its main part, only that is taken."""
    page = "<p>around</p>" + markup.format("<p>content</p>") + "<div>below</div>"
    assert extract(page.encode()).text == "content"


def test_empty_main_part() -> None:
    """A main part without text, as scripts fill it, does not hide the rest."""
    assert extract(b"<p>around</p><main></main>").text == "around"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<title>T</title><h1>H</h1>", "T"),
        (b"<title> </title><p>x</p><h1>The <b>H</b></h1>", "The H"),
        (b"<svg><title>S</title></svg><p>x</p>", None),
    ],
)
def test_title(page: bytes, title: str | None) -> None:
    """The title is the page's own, else its first heading, else there is none."""
    assert extract(page).title == title


def test_no_visible_text(read) -> None:
    """A page that shows nothing is rejected."""
    assert read("p.htm", "<style>pre { x: y }</style>").rejection.reason == "no text in it"


def test_declared_encoding() -> None:
    """The encoding that a page declares is believed, in HTML and XHTML."""
    page = '<meta charset="windows-1251"><p>Привет, мир</p>'.encode("cp1251")
    assert extract(page).text == "Привет, мир"
    page = '<?xml version="1.0" encoding="koi8-r"?><html><body>Привет</body></html>'.encode(
        "koi8_r"
    )
    found = extract(page)
    assert (found.text, found.metadata) == ("Привет", {"encoding": "koi8-r"})


def test_broken_markup() -> None:
    """Tags that are left open or crossed lose nothing."""
    assert extract(b"<p>a<b>b<p>c</i>d</b><td>e<li>f &bogus; &#x110000; g").text.split() == [
        "ab",
        "cde",
        "f",
        "&bogus;",
        "\ufffd",
        "g",
    ]


def test_deep_nesting(read) -> None:
    """Nesting beyond the interpreter's stack is read."""
    assert read("p.html", "<div>" * 20_000 + "deep").document.text == "deep"


def test_large_page(read) -> None:
    """A large page, read in a process of its own, gives the same as a small one."""
    page = PAGE.replace("<h1>", "<p>" + "word " * (MAX_TRUSTED_BYTES // 5 + 1) + "</p><h1>")
    document = read("p.html", page).document
    assert document.title == "The title & more"
    assert document.text.endswith(TEXT)


def test_verbatim_text() -> None:
    """Spaces and line breaks in pre are kept, elsewhere they run together."""
    page = dedent("""\
        <p>a
           b</p><pre>
         1  2
        3</pre>""")
    assert extract(page.encode()).text == "a b\n\n 1  2\n3"
