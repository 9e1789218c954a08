"""The page of a service that has a store which this version does not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import Page
from formats import OTHERS
from selenium import webdriver
from serving import running_service

CHANGE, SAID = OTHERS["newer"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose default collection is a newer version's, and whose other one is sound."""
    data: Path = tmp_path_factory.mktemp("data")
    with running_service(data, {"MODEL": "hashing"}) as address:
        httpx.put(f"{address}/collections/sound", trust_env=False).raise_for_status()
        body = {"documents": [{"id": "a", "text": "leaves in hot water"}]}
        for name in ("default", "sound"):
            path = f"{address}/collections/{name}/documents"
            httpx.put(path, json=body, trust_env=False).raise_for_status()
    CHANGE(data / "default" / "store.sqlite")
    with running_service(data, {"MODEL": "hashing"}) as address:
        yield address


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Page:
    """The page."""
    page = Page(browser, url)
    page.emulate()
    return page


def told(page: Page) -> int:
    """How often the page says what is wrong, and what to do."""
    return len(re.findall(SAID, page.text("body"), re.DOTALL))


def test_what_cannot_be_searched_is_said_once(page: Page) -> None:
    """Where the collection is, before and after a search of it."""
    page.open()
    assert told(page) == 1
    page.search("leaves")
    assert told(page) == 1


def test_the_list_says_it_and_offers_the_others(page: Page) -> None:
    """The one has no buttons; the other leads to its documents."""
    page.open("/?view=collections")
    assert told(page) == 1
    cards = {one.get_dom_attribute("data-name"): one for one in page.all("#collections tbody tr")}
    assert re.search(SAID, cards["default"].text, re.DOTALL)
    assert not cards["default"].find_elements("css selector", "button")
    cards["sound"].find_element("css selector", "button.into").click()
    page.until(lambda: "c=sound" in page.address)
    page.search("leaves")
    assert page.contents(".hit .title") == ["a"]
    assert told(page) == 0
