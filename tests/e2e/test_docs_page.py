"""The list of routes as its readers meet it: each can be tried where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from browsing import Page
from selenium import webdriver
from serving import running_service

KEY = "a-key-to-try-routes-with"
FORMS = """
return [...document.querySelectorAll(".try")].map((one) => [
  one.dataset.method,
  one.dataset.path,
  [...one.querySelectorAll("label code")].map((code) => code.textContent),
  one.querySelector("textarea, [type=file]") !== null,
]);
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants a key, with a document."""
    settings = {"MODEL": "hashing", "API_KEYS": KEY}
    with running_service(tmp_path_factory.mktemp("data"), settings) as address:
        body = {"documents": [{"id": "text", "text": "text"}]}
        headers = {"Authorization": f"Bearer {KEY}"}
        httpx.put(f"{address}/documents", json=body, headers=headers).raise_for_status()
        yield address


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """The list, with the key given; it must have asked no one else, and complained of nothing."""
    page = Page(browser, url)
    page.emulate()
    page.foreign_requests()
    browser.get(f"{url}/docs")
    page.until(lambda: page.all("#key input"))
    page.write("#key input", KEY)
    page.run("document.activeElement.blur()")
    yield page
    assert page.complaints() == []
    assert page.foreign_requests() == []


def operations(url: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The operations of the OpenAPI document."""
    paths = httpx.get(f"{url}/openapi.json", trust_env=False).json()["paths"]
    return {
        (method, path): one for path, methods in paths.items() for method, one in methods.items()
    }


def open_form(page: Page, method: str, path: str) -> str:
    """Open the form of a route; its selector."""
    place = f".try[data-method={method}][data-path='{path}']"
    page.run(f'document.querySelector("{place}").open = true')
    page.until(lambda: page.all(f"{place} form"))
    return place


def send(page: Page, place: str) -> str:
    """What the service answers."""
    page.one(f"{place} form button").click()
    page.until(lambda: page.all(f"{place} .answer p"))
    return page.text(f"{place} .answer")


def test_every_route_has_a_form(page: Page, url: str) -> None:
    """Its parameters and its body are those of the OpenAPI document."""
    offered = operations(url)
    page.run("for (const one of document.querySelectorAll('.try')) one.open = true")
    page.until(lambda: len(page.all(".try form")) == len(offered))
    shown = {(method, path): (names, has_body) for method, path, names, has_body in page.run(FORMS)}
    assert shown == {
        route: (
            [one["name"] for one in operation.get("parameters", []) if one["in"] != "header"],
            "requestBody" in operation,
        )
        for route, operation in offered.items()
    }


def test_a_route_is_tried_as_it_stands(page: Page, url: str) -> None:
    """What is filled in already is a request that the service takes; the answer is the API's."""
    for method, path in (("post", "/search"), ("put", "/documents"), ("get", "/collections")):
        said = send(page, open_form(page, method, path))
        assert "\n200 " in said, said
    search = open_form(page, "post", "/collections/{collection}/search")
    body = {"query": "text", "k": 1}
    page.write(f"{search} textarea", json.dumps(body))
    send(page, search)
    shown = json.loads(page.contents(f"{search} .answer pre")[0])
    asked = httpx.post(f"{url}/search", json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert shown["hits"] == asked.json()["hits"]
    page.expected.add(404)
    place = open_form(page, "get", "/collections/{collection}/documents/{id}")
    page.write(f"{place} [name=id]", "a/b ?")
    assert "\n404 " in send(page, place)
    assert "a%2Fb%20%3F" in page.text(f"{place} .answer code")


@pytest.mark.parametrize(
    ("scheme", "width"), [("dark", 390), pytest.param("light", 1120, marks=pytest.mark.long)]
)
def test_anyone_can_read_it(page: Page, scheme: str, width: int) -> None:
    """Axe finds nothing wrong, with a form open, and nothing is wider than the screen."""
    page.emulate(width=width, height=844, scheme=scheme)
    send(page, open_form(page, "post", "/search"))
    others = "for (const one of [...document.querySelectorAll('section')].slice(3)) one.remove()"
    page.run(others)  # which are made alike: axe takes half a minute for all
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
