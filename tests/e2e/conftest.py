"""A browser for the tests that look at the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import find_browser, open_browser
from selenium import webdriver


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium; tests that want it are skipped where it is not installed."""
    if find_browser() is None:
        pytest.skip("chromium and chromedriver are not on the PATH: install them to see the page")
    with open_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver
