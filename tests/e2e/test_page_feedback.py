"""The page's judgement on a hit, where the service takes any."""

from __future__ import annotations

from pathlib import Path

import httpx
from browsing import Page
from selenium import webdriver
from serving import running_service

FEEDBACK = {"query": "cat", "id": "a", "relevant": True}


def test_a_hit_is_told_to_be_the_one(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """One press is one judgement; the button says so. A document that is gone is told."""
    settings = {"MODEL": "hashing", "FEEDBACK": "texts"}
    with running_service(tmp_path, settings) as url, httpx.Client(trust_env=False) as http:
        documents = [{"id": "a", "text": "a cat"}, {"id": "b", "text": "a cat and a dog"}]
        http.put(f"{url}/documents", json={"documents": documents}).raise_for_status()
        page = Page(browser, url)
        page.emulate()
        page.open("/?q=cat")
        page.until(lambda: len(page.all(".hit .judge")) == 2)
        page.one(".hit[data-id=a] .judge").click()
        page.until(lambda: page.text(".hit[data-id=a] .judge") == "Noted")
        page.one(".hit[data-id=a] .judge").click()
        assert http.get(f"{url}/feedback").json() == FEEDBACK
        http.delete(f"{url}/documents/b").raise_for_status()
        page.one(".hit[data-id=b] .judge").click()
        page.until(lambda: "no document 'b'" in page.text(".hit[data-id=b] [role=alert]"))
        assert http.get(f"{url}/feedback").json() == FEEDBACK
