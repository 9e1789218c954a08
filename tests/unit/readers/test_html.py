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
<aside>Links<a href=/a>one</a><a href=/b>two</a><a href=/c>three</a></aside>
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
    assert document.metadata == {"format": "html", "left_out": 0.35, "headings": ["Heading"]}


@pytest.mark.parametrize("markup", ["<main>{}</main>", "<div role=main>{}</div>"])
def test_main_part(markup: str) -> None:
    """Of a page that marks its main part, only that is taken."""
    page = "<p>around</p>" + markup.format("<p>content</p>") + "<div>below</div>"
    assert extract(page.encode()).text == "content"


def test_empty_main_part() -> None:
    """A main part without text, as scripts fill it, does not hide the rest."""
    assert extract(b"<p>around</p><main></main>").text == "around"


MENU = "<ul><li><a href=/a>Start</a><li><a href=/b>Products</a><li><a href=/c>Contact</a></ul>"
PROSE = "The pump moves oil through the flange, at twelve bar, until the valve is closed. " * 5


@pytest.mark.parametrize(
    "markup",
    [
        "<section id=header>{}</section>",
        "<h2 id=navigation>{}</h2>",
        "<div class=sidebar id=sidebar>{}</div>",
        "<footer id=footer><div>{}</div></footer>",
        "<header id=header><h1>Title</h1>{}</header>",
        "<article><header>{}</header><p>x</p></article>",
        "<nav>{}</nav>",
        "<aside><a href=/a>one</a> {}</aside>",
        "<p hidden=until-found>{}</p>",
        "<h3><button>{}</button></h3><p>x</p>",
        "<dialog open>{}</dialog>",
    ],
)
def test_content_is_not_judged_by_its_name(markup: str) -> None:
    """What has text of its own stays, whatever it is called and wherever it stands."""
    page = f"<body>{markup.format(PROSE)}<p>below</p>"
    assert PROSE.strip() in extract(page.encode()).text


@pytest.mark.parametrize(
    "page",
    [
        "<nav>{menu}</nav><p>{prose}</p>",
        "<div role=navigation>{menu}</div><p>{prose}</p>",
        "<header>Flux Inc. {menu}</header><p>{prose}</p><footer>Copyright 2024</footer>",
        "<div class=content>{menu}</div><div><p>{prose}</p></div>",
        "<table><tr><td>{menu}</td><td><p>{prose}</p></td></tr></table>",
        "<div><div>{menu}</div><div><div><p>{prose}</p></div><div>{menu}</div></div></div>",
        "<dialog>{menu}</dialog><p>{prose}</p>",
    ],
)
def test_menus_are_left_out(page: str) -> None:
    """Landmarks, and what stands beside the content, are left out where they are mostly links."""
    found = extract(page.format(menu=MENU, prose=PROSE).encode())
    assert found.text == PROSE.strip()
    whole = 1 if "dialog" in page else 1.0
    assert found.metadata.get("left_out", 0) < whole


def test_lists_of_links_within_the_content() -> None:
    """A list of links among paragraphs is content, and so is a page that is nothing else."""
    page = f"<div><p>{PROSE}</p>{MENU}</div>"
    assert "Products" in extract(page.encode()).text
    assert extract(f"<body>{MENU}".encode()).text == "Start\nProducts\nContact"
    assert extract(f"<nav>{MENU}</nav>".encode()).text == "Start\nProducts\nContact"


def test_how_much_was_left_out() -> None:
    """The share of the text that is seen but not taken is told, spaces not counted."""
    page = "<body><nav><a href=/>1234567890</a></nav><p>123456789 123456789 123456789 123</p>"
    assert extract(page.encode()).metadata == {"left_out": 0.25}
    assert extract(b"<p>x</p><p hidden>y</p><script>z</script>").metadata == {}


SPHINX = f"""\
<a href="#main-content">Skip to main content</a>
<dialog id="pst-primary-sidebar-modal">Section</dialog>
<header class="bd-header"><a href="i.html">Flux</a>{MENU}</header>
<div class="bd-container"><div class="bd-sidebar-primary">{MENU}</div>
<main id="main-content" class="bd-main" role="main"><div class="bd-content">
<div class="bd-article-container">
<div class="bd-header-article"><a href="_sources/guide.rst">.rst</a></div>
<div id="jb-print-docs-body"><h1>guide</h1><h2>Contents</h2><nav>{MENU}</nav></div>
<article class="bd-article"><section id="guide"><h1>guide</h1><p>{PROSE}</p>
<section id="see"><h2>See also</h2><a href="x">The other guide</a></section></section></article>
<footer class="prev-next-footer"><a href="p"><p>previous</p></a><a href="n"><p>next</p></a></footer>
</div>
<div class="bd-sidebar-secondary"><div class="page-toc">Contents</div><nav>{MENU}</nav></div>
</div></main></div><footer>Copyright 2024, the authors.</footer>
"""


def test_sphinx_themes() -> None:
    """Of a page of pydata-sphinx or sphinx-book only the article is taken."""
    assert extract(SPHINX.encode()).text == (
        f"guide\n\n{PROSE.strip()}\n\n\nSee also\n\nThe other guide"
    )


def test_main_part_that_is_not_all() -> None:
    """A page that marks a small part as main, and has most of its text elsewhere, is read whole."""
    page = f"<body><div>{PROSE * 3}</div><main><p>A small part.</p></main>"
    assert extract(page.encode()).text == f"{(PROSE * 3).strip()}\n\nA small part."


def test_pictures_are_told() -> None:
    """What stands for a picture is text, also within a link."""
    page = b'<p>See<img src=p.png alt="a pump"><img alt=""><a href=/><img alt="its valve"></a>.</p>'
    assert extract(page).text == "See a pump its valve ."


def test_declarative_shadow_roots() -> None:
    """What a shadow root shows is read in place of its host's children, which its slots show."""
    page = b"""<p>before</p><x-card><template shadowrootmode="open"><h2>Shadow</h2>
        <slot name="a">none given</slot> <slot name="b">default</slot>
        <x-inner><template shadowrootmode="closed">deep <slot></slot></template>inner</x-inner>
        </template><span slot="a">given</span>not shown</x-card>
        <template><p>inert</p></template><p>after</p>"""
    assert extract(page).text.split() == (
        ["before", "Shadow", "given", "default", "deep", "inner", "after"]
    )


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
