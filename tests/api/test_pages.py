"""The web page, the list of routes, and the OpenAPI document."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.testclient import TestClient

from app.routes.pages import WEB, WebPages

HOME = "http://localhost/"


class Links(HTMLParser):
    """What a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to."""
        given = dict(attributes)
        for name in ("src", "href"):
            if given.get(name):
                self.loaded.add(str(given[name]))
        if "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(tag)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    """All that a page loads is served here, and nothing in it breaks the policy."""
    page = client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    assert links.inline == []
    for link in links.loaded:
        address = urljoin(HOME + path.lstrip("/"), link)
        assert urlsplit(address).netloc == "localhost", link
        assert client.get(address).status_code == 200, link


def test_the_page_is_not_sent_again_if_unchanged(client: TestClient) -> None:
    """A browser that has the page gets a 304, and always asks."""
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304


def test_a_browser_keeps_the_files_of_the_page(client: TestClient) -> None:
    """They are at an address of their contents: another is not there, and what they import is."""
    links = Links()
    links.feed(client.get("/").text)
    kept = sorted(link for link in links.loaded if link.startswith("files-"))
    place = kept[0].split("/")[0]
    assert kept == [f"{place}/{name}" for name in ("favicon.svg", "main.js", "style.css")]
    for path in (WEB / name for name in ("main.js", "api.js", "plane.js", "style.css")):
        answer = client.get(f"/{place}/{path.name}")
        assert answer.content == path.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
        plain = client.get(f"/{path.name}")
        assert plain.headers["cache-control"] == "no-cache"
        assert plain.headers["content-type"] == answer.headers["content-type"]
    assert client.get(f"/{place}0/main.js").status_code == 404


def test_the_address_of_files_is_that_of_their_contents(tmp_path: Path) -> None:
    """It differs as soon as one file does."""
    seen = set()
    for code in ("1", "2"):
        (tmp_path / "code.js").write_text(code)
        seen |= WebPages(tmp_path).paths
    assert len(seen) == 3


def test_the_docs_name_every_route_and_field(client: TestClient) -> None:
    """Whatever the OpenAPI document holds, /docs shows."""
    text = client.get("/docs").text
    document = client.get("/openapi.json").json()
    for path in document["paths"]:
        assert path in text
    for field in ("min_score", "temperature", "metrics", "documents", "unlike"):
        assert f"<code>{field}</code>" in text


def test_the_docs_have_a_section_for_each_operation(client: TestClient) -> None:
    """Those of the usual collection and of any are one; each link of the contents leads to one."""
    text = client.get("/docs").text
    document = client.get("/openapi.json").json()["paths"].values()
    names = {one["operationId"].removesuffix("_default") for ms in document for one in ms.values()}
    assert set(re.findall(r'<section class="route" id="(\w+)">', text)) == names
    assert set(re.findall(r'href="#(\w+)"', text)) == names
    assert "By a text (<code>query</code>)" in text


def test_the_contract_is_in_the_openapi_document(client: TestClient) -> None:
    """Each route of the contract is there, with a collection and without."""
    paths = client.get("/openapi.json").json()["paths"]
    for path, methods in {
        "/search": {"get", "post"},
        "/search/batch": {"post"},
        "/documents": {"get", "put"},
        "/documents/import": {"post"},
        "/documents/delete": {"post"},
        "/documents/{id}": {"get", "delete"},
    }.items():
        assert set(paths[path]) == methods
        assert set(paths["/collections/{collection}" + path]) == methods
    assert set(paths["/collections"]) == {"get"}
    assert set(paths["/collections/{collection}"]) == {"get", "put", "delete"}
    assert set(paths["/admin/similarity"]) == {"post"}
    assert {"/healthz", "/readyz"} <= set(paths)


def test_every_operation_has_a_name_of_its_own_and_names_its_parameters(
    client: TestClient,
) -> None:
    """Clients made from the document need unique names and every path parameter."""
    paths = client.get("/openapi.json").json()["paths"]
    names = [one["operationId"] for methods in paths.values() for one in methods.values()]
    assert len(names) == len(set(names))
    for path, methods in paths.items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", [])}
            assert set(re.findall(r"{(\w+)}", path)) <= declared


def test_health_is_told(client: TestClient) -> None:
    """A service that answers is alive, and ready because it opens its port only then."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_list_of_routes_names_an_icon_that_is_there(client: TestClient) -> None:
    """So browsers do not look for /favicon.ico, which is not."""
    found = re.search(r'<link rel="icon" href="([^"]+)"', client.get("/docs").text)
    assert found is not None
    assert client.get(found[1]).headers["content-type"].startswith("image/svg")
