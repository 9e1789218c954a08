"""E-books, put together as the standard asks."""

from __future__ import annotations

import io
import zipfile

import pytest
from bombs import with_bomb

from indexer.queries import Passage

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
BOOK = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The whale</dc:title><dc:creator>H. M.</dc:creator><dc:creator>N. N.</dc:creator>
<dc:language>en</dc:language><dc:date>1851</dc:date></metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="one" href="text/one%20.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="gone" href="text/gone.xhtml" media-type="application/xhtml+xml"/>
<item id="pic" href="a.png" media-type="image/png"/>
</manifest>
<spine><itemref idref="nav"/>
<itemref idref="two"/><itemref idref="one"/><itemref idref="gone"/></spine>
</package>"""
PAGE = '<?xml version="1.0"?><html><head>{}</head><body>{}</body></html>'
PARTS = {
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": BOOK,
    "OEBPS/nav.xhtml": PAGE.format("", '<nav><a href="text/two.xhtml#a">Loomings</a></nav>'),
    "OEBPS/toc.ncx": '<ncx xmlns="n"><navPoint><navLabel><text>Loomings</text></navLabel>'
    '<content src="text/two.xhtml"/></navPoint></ncx>',
    "OEBPS/text/one .xhtml": PAGE.format("<title/>", "<h1>The Carpet-Bag</h1><p>I stuffed.</p>"),
    "OEBPS/text/two.xhtml": PAGE.format("<title/>", '<p><a id="a"/>Call me Ishmael.</p>'),
    "OEBPS/a.png": "",
}  # fmt: skip


def packed(parts: dict[str, str]) -> bytes:
    """A book of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("mimetype", "application/epub+zip")
        for name, text in parts.items():
            package.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize("without", ["OEBPS/nav.xhtml", "OEBPS/toc.ncx"])
def test_chapters_are_read_in_the_order_of_the_book(read, without) -> None:
    """Names of the table of contents stand in for headings; what is missing is told."""
    found = read("b.epub", packed({name: part for name, part in PARTS.items() if name != without}))
    (document,) = found.documents
    assert (document.id, document.title) == ("b.epub", "The whale")
    assert document.text == "Loomings\n\nCall me Ishmael.\n\n\nThe Carpet-Bag\n\nI stuffed."
    assert document.metadata == {
        "format": "epub",
        "author": ["H. M.", "N. N."],
        "language": "en",
        "published": "1851",
        "headings": ["Loomings", "The Carpet-Bag"],
    }
    assert [one.place for one in found.rejections] == ["b.epub:OEBPS/text/gone.xhtml"]
    start = document.text.index("I stuffed")
    assert Passage.of(document, start, start + 1).place == "The Carpet-Bag"
    assert read("book", packed(PARTS)).documents[0].metadata["format"] == "epub"


def test_what_cannot_be_read_is_refused(read) -> None:
    """A protected book, a bomb, damage; fonts may be encrypted."""
    method = '<e><EncryptionMethod Algorithm="{}"/></e>'
    kept = packed(
        {**PARTS, "META-INF/encryption.xml": method.format("http://www.idpf.org/2008/embedding")}
    )
    assert read("b.epub", kept).documents
    shut = packed({**PARTS, "META-INF/encryption.xml": method.format("http://x#aes128-cbc")})
    assert "encrypted" in read("b.epub", shut).rejection.reason
    bomb = with_bomb(packed(PARTS), "OEBPS/text/two.xhtml", b"<html>")
    assert "unpacks to more" in read("b.epub", bomb).rejection.reason
    assert "container.xml" in read("b.epub", packed({})).rejection.reason
    assert "damaged" in read("b.epub", packed(PARTS)[:-9]).rejection.reason
    entity = '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    hostile = packed({**PARTS, "OEBPS/book.opf": entity + BOOK.replace("The whale", "&a;")})
    assert "XML" in read("b.epub", hostile).rejection.reason
