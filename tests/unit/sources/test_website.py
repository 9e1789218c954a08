"""Websites: what is followed, what is left out, and what a second crawl does not fetch again."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from called import run_bearing
from pdf_files import make_pdf, page_content

from indexer.config import Config
from indexer.errors import InvalidInput, Unreadable
from indexer.library import Library
from indexer.readers.reading import Rejection
from indexer.sources.crawl_bounds import Bounds
from indexer.sources.fetched import Fetched, Unchanged
from indexer.sources.web_requests import Site, host_of, is_public
from indexer.sources.website import Crawl, normalised

pytest.importorskip("protego")


class LocalSite(ThreadingHTTPServer):
    """A site that serves ``pages``: a path's status, head and body; ``asked`` counts requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def page(
        self, path: str, *links: str, text: str = "words", head: str = "", **more: str
    ) -> None:
        """Serve a page of HTML with these links."""
        anchors = "".join(f'<p><a href="{one}">to {one}</a></p>' for one in links)
        body = f"<title>{path}</title>{head}<main><h1>Head</h1><p>{text}</p>{anchors}</main>"
        self.pages[path] = (200, {"content-type": "text/html", **more}, body.encode())


class _Handler(BaseHTTPRequestHandler):
    server: LocalSite

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        status, head, body = self.server.pages.get(self.path, (404, {}, b""))
        if self.headers.get("if-none-match", "") == head.get("etag", "none"):
            status, body = 304, b""
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """A site of this machine."""
    with LocalSite() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def crawled(site: LocalSite, path: str = "/", **bounds: Any) -> tuple[list[str], dict[str, str]]:
    """The paths of the pages that a crawl gives, and the reasons of its rejections."""
    crawl = Crawl(site.url + path, Bounds(**bounds))
    found = list(crawl.found())
    names = [one.name.removeprefix(site.url) for one in found if isinstance(one, Fetched)]
    told = [one for one in found if isinstance(one, Rejection)]
    return names, {one.place.removeprefix(site.url): one.reason for one in told}


def test_links_of_the_host_are_followed_once(site: LocalSite) -> None:
    """Relative ones and those of a base too; fragments, other hosts and pictures are left out."""
    site.page("/", "a#top", "/b/", f"{site.url}/a", "http://elsewhere.test/", "p.png", "mailto:x@y")
    site.page("/a", "c", head='<base href="/deep/">')
    site.page("/b/", "../a", "javascript:void(0)")
    site.page("/deep/c")
    assert crawled(site) == (["/", "/a", "/b/", "/deep/c"], {})
    assert set(site.asked.values()) == {1}


def test_robots_are_honoured(site: LocalSite) -> None:
    """Rules with wildcards, words in a page, and links that are not to be followed."""
    rules = b"User-agent: *\nDisallow: /private/*.html$\nCrawl-delay: 0.01\n"
    site.pages["/robots.txt"] = (200, {}, rules)
    site.page("/", "/private/a.html", "/private/b", "/hidden", "/end", "/robots.txt")
    site.page("/private/b")
    site.page("/hidden", "/behind", head='<meta name="ROBOTS" content="noindex">')
    site.page("/behind")
    site.page("/end", "/never", head='<meta name="robots" content="NoFollow, x">')
    crawl = Crawl(f"{site.url}/")
    names = [one.name for one in crawl.found() if isinstance(one, Fetched)]
    assert names == [f"{site.url}{one}" for one in ("/", "/private/b", "/end", "/behind")]
    assert crawl.forbidden == 1
    assert "/private/a.html" not in site.asked
    with pytest.raises(Unreadable, match=r"robots\.txt keeps robots"):
        crawled(site, "/private/a.html")
    site.pages["/robots.txt"] = (500, {}, b"")
    with pytest.raises(Unreadable, match="no rules for robots"):
        crawled(site)


def test_a_page_goes_by_its_canonical_address(site: LocalSite) -> None:
    """Two addresses of one page give one document; an address elsewhere is not believed."""
    site.page("/", "/x?a=1", "/x?a=2", "/y")
    for path in ("/x?a=1", "/x?a=2"):
        site.page(path, head='<link rel="canonical" href="/x">')
    site.page("/y", head='<link rel="canonical" href="http://elsewhere.test/y">')
    assert crawled(site) == (["/", "/x", "/y"], {})


def test_redirects_are_bounded(site: LocalSite) -> None:
    """Those on the host are followed to their end, those to another are told."""
    site.page("/", "/old", "/away", "/loop0", "/busy")
    site.pages["/old"] = (301, {"location": "new"}, b"")
    site.page("/new")
    site.pages["/away"] = (302, {"location": "http://127.0.0.1:1/"}, b"")
    for number in range(9):
        site.pages[f"/loop{number}"] = (302, {"location": f"/loop{number + 1}"}, b"")
    site.pages["/busy"] = (429, {"retry-after": "0"}, b"")
    names, told = crawled(site)
    assert names == ["/", "/new"]
    assert told == {
        "/away": "it leads to another host, 127.0.0.1:1",
        "/busy": "the site answers 429",
        "/loop5": "it leads on and on",
    }
    assert site.asked["/busy"] == 3


def test_private_addresses_are_refused_to_public_sites() -> None:
    """No redirect of a public site leads into the network that crawls it."""
    public = Site("example.org", 80, "93.184.216.34")
    crawl = Crawl("http://example.org/")
    with pytest.raises(Unreadable, match="a private address"):
        crawl._redirect(public, _address("http://example.org/"), "http://127.0.0.1/")
    with pytest.raises(Unreadable, match="leads to another host"):
        crawl._redirect(public, _address("http://example.org/x"), "http://127.0.0.1/")
    private = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1")
    assert [one for one in private if is_public(one)] == []
    assert is_public("93.184.216.34")
    assert is_public("2606:4700::1111")


def _address(url: str) -> Any:
    from indexer.sources.website import _Address

    return _Address(url, 0)


def test_a_crawl_is_bounded(site: LocalSite) -> None:
    """By pages, by links from the start, and by the bytes of a page; it says what is left."""
    for number in range(9):
        site.page(f"/{number}", f"/{number + 1}")
    site.page("/9")
    assert crawled(site, "/0", depth=2)[0] == ["/0", "/1", "/2"]
    crawl = Crawl(f"{site.url}/0", Bounds(pages=4))
    assert len([one for one in crawl.found() if isinstance(one, Fetched)]) == 4
    assert crawl.stopped == ("stopped at 4 pages (--max-pages): 1 known addresses were not visited")
    site.page("/big", text="x" * 5000)
    site.page("/", "/big", "/none", "/z.bin")
    site.pages["/z.bin"] = (200, {"content-type": "application/octet-stream"}, b"\0")
    names, told = crawled(site, page_bytes=4096)
    assert names == ["/"]
    assert told == {
        "/big": "larger than 4,096 bytes, the most that is fetched at once",
        "/none": "the site answers 404",
        "/z.bin": "not read: application/octet-stream",
    }
    with pytest.raises(Unreadable, match="answers 404"):
        crawled(site, "/none")


def test_a_sitemap_lists_what_is_read(site: LocalSite) -> None:
    """One of sitemaps too, packed or not."""
    one = f"<urlset><url><loc>{site.url}/a?x=1&amp;y=2</loc></url></urlset>"
    more = f"<urlset><url><loc>\n{site.url}/b </loc></url><url><loc>http://x.test/</loc></url></urlset>"
    index = f"<sitemapindex><sitemap><loc>{site.url}/one.xml</loc></sitemap>"
    index += f"<sitemap><loc>{site.url}/more.xml.gz</loc></sitemap></sitemapindex>"
    for path, body in (("/sitemap.xml", index.encode()), ("/one.xml", one.encode())):
        site.pages[path] = (200, {"content-type": "application/xml"}, body)
    site.pages["/more.xml.gz"] = (200, {}, gzip.compress(more.encode()))
    site.page("/a?x=1&y=2")
    site.page("/b")
    assert crawled(site, "/sitemap.xml") == (["/a?x=1&y=2", "/b"], {})


def index(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of a crawl by the command, and what it said."""
    given = ["index", *words, "--data", str(folder), "--model", "hashing", "--json"]
    done = run_bearing(given)
    assert done.exit_code == code, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def test_a_second_crawl_reads_what_has_changed(site: LocalSite, tmp_path: Path) -> None:
    """Pages that answer 304 are not read, and the links they had are followed."""
    site.page("/", "/a", "/paper", etag='"1"')
    site.page("/a", "/b", text="the moon", etag='"2"')
    site.page("/b", text="the sun")
    pdf = make_pdf(page_content("The lift of a wing."), info="/Title (Lift)")
    site.pages["/paper"] = (200, {"content-type": "application/pdf", "etag": '"3"'}, pdf)
    words = f"{site.url}/", "--crawl"
    first = index(tmp_path, *words)
    assert (first["written"], first["rejected"]) == (4, 0)
    with Library(Config(data=str(tmp_path))) as library:
        documents = {one.id: one for one in library.open("default").page().documents}
    assert documents[f"{site.url}/a"].title == "/a"
    assert documents[f"{site.url}/a"].metadata["headings"] == ["Head"]
    assert "wing" in documents[f"{site.url}/paper"].text
    site.page("/b", text="the star")
    second = index(tmp_path, *words)
    assert (second["written"], second["unchanged"]) == (1, 0)
    assert "4 pages visited: 1 read, 3 unchanged" in second["said"]


def test_a_stamp_is_kept_of_what_is_stored(site: LocalSite) -> None:
    """A page that is known is asked for by its stamp, and not given."""
    site.page("/", etag='"1"')
    (page,) = Crawl(f"{site.url}/").found()
    assert isinstance(page, Fetched)
    again = Crawl(f"{site.url}/", known={page.name: page.stamp})
    assert list(again.found()) == [Unchanged(page.name)]


def test_what_is_no_website_is_told(tmp_path: Path) -> None:
    """Before anything is made."""
    for words, told in (
        (["http://h/"], "--crawl fetches it and what it links to"),
        (["x", "--crawl"], "--crawl takes one URL"),
        (["http://h/", "http://i/", "--crawl"], "--crawl takes one URL"),
        (["http://u:p@h/", "--crawl"], "name and password"),
        (["http://h/", "--crawl", "--sync", "--watch"], "tells of no changes to --watch"),
        (["http://h/", "--crawl", "--dry-run"], "give --sync, too"),
        (["http://h/", "--crawl", "--shard", "1/2"], "leave --shard out"),
    ):
        assert told in index(tmp_path, *words, code=2)["error"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput, match="a website's URL"):
        host_of("ftp://h/")
    assert normalised("HTTPS://Host:443#x") == "https://host/"


def kept(site: LocalSite, folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of a crawl that keeps a collection in step, with those of its only source."""
    done = index(folder, f"{site.url}/", "--crawl", "--sync", *words, code=code)
    return {**done, **done["sources"][0]}


def ids(site: LocalSite, folder: Path) -> set[str]:
    """The paths of the pages that are stored."""
    with Library(Config(data=str(folder))) as library:
        documents = library.open("default").page().documents
    return {one.id.removeprefix(site.url) for one in documents}


@pytest.fixture
def linked(site: LocalSite) -> LocalSite:
    """A site of five pages, of which two are known to be as they were."""
    site.page("/", "/a", "/b", etag='"1"')
    for path in ("/a", "/b", "/d"):
        site.page(path, text=f"the page {path}")
    site.page("/b", "/c", "/d", text="the moon")
    site.page("/c", text="the tide", etag='"3"')
    return site


def test_pages_that_are_gone_go(linked: LocalSite, tmp_path: Path) -> None:
    """Missing ones, and those that moved, whose vectors stay; a dry run says so before."""
    assert kept(linked, tmp_path)["written"] == 5
    del linked.pages["/a"]
    linked.pages["/c"] = (301, {"location": "/e"}, b"")
    linked.pages["/e"] = (200, {"content-type": "text/plain"}, b"the tide")
    would = kept(linked, tmp_path, "--dry-run", "--prune-at-most", "50%")
    assert {one.removeprefix(linked.url) for one in would["deleted"]} == {"/a", "/c"}
    assert [one.removeprefix(linked.url) for one in would["new"]] == ["/e"]
    assert ids(linked, tmp_path) == {"/", "/a", "/b", "/c", "/d"}
    done = kept(linked, tmp_path)
    assert (done["deleted"], done["gone"], done["refused"]) == (2, 2, None)
    assert ids(linked, tmp_path) == {"/", "/b", "/d", "/e"}
    assert kept(linked, tmp_path, code=3)["written"] == 0  # a link to nowhere is told


def test_a_page_without_links_to_it_stays_while_it_is_there(
    linked: LocalSite, tmp_path: Path
) -> None:
    """It is asked for by its address, with fewer links from the start, too."""
    kept(linked, tmp_path)
    linked.page("/b", text="no links")
    done = kept(linked, tmp_path, "--max-depth", "1")
    assert (done["deleted"], ids(linked, tmp_path)) == (0, {"/", "/a", "/b", "/c", "/d"})
    del linked.pages["/d"]
    assert kept(linked, tmp_path)["deleted"] == 1


def test_nothing_goes_after_a_crawl_that_did_not_see_all(linked: LocalSite, tmp_path: Path) -> None:
    """Cut by a bound, or a site at fault; a page that is refused keeps only what it gave."""
    kept(linked, tmp_path)
    del linked.pages["/a"]
    done = kept(linked, tmp_path, "--max-pages", "2")
    assert "nothing of" in done["said"]
    assert "stopped at 2 pages" in done["unreadable"][0]
    assert done["gone"] == 0
    linked.pages["/d"] = (500, {}, b"")
    done = kept(linked, tmp_path, code=3)
    assert (done["deleted"], done["unreadable"]) == (0, [f"{linked.url}/d"])
    assert "/a" in ids(linked, tmp_path)
    linked.pages["/d"] = (403, {}, b"")
    done = kept(linked, tmp_path, code=3)
    assert (done["deleted"], ids(linked, tmp_path)) == (1, {"/", "/b", "/c", "/d"})
    linked.pages["/d"] = (302, {"location": "/login"}, b"")
    linked.pages["/login"] = (500, {}, b"")
    assert kept(linked, tmp_path, code=3)["deleted"] == 0
    linked.pages["/d"] = (302, {"location": "http://127.0.0.1:1/"}, b"")
    assert kept(linked, tmp_path, code=3)["deleted"] == 0
    linked.pages["/d"] = (301, {"location": "http://127.0.0.1:1/"}, b"")
    assert kept(linked, tmp_path, code=3)["deleted"] == 1


def test_a_site_that_is_gone_deletes_nothing(linked: LocalSite, tmp_path: Path) -> None:
    """Without its first page it is an error; most pages at once are too many."""
    kept(linked, tmp_path)
    for path in ("/a", "/b", "/c", "/d"):
        del linked.pages[path]
    done = kept(linked, tmp_path, "--prune-at-most", "10%", code=0)
    assert done["deleted"] == 4  # few, and the first page stays
    del linked.pages["/"]
    assert "answers 404" in index(tmp_path, f"{linked.url}/", "--crawl", "--sync", code=1)["error"]
    assert ids(linked, tmp_path) == {"/"}
