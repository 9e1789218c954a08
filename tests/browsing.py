"""Headless Chromium, and what a reader does with the page in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # draws WebGL without one
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-site-isolation-trials",  # else each site, and no page, has a process of its own
    "--disable-features=IsolateOrigins,site-per-process",
)
WAIT_SECONDS = 15
FILL = """
for (const [selector, text] of arguments[1]) {
  const field = document.querySelector(selector);
  field.focus();
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
document.querySelector(arguments[0]).querySelector(".primary").focus();
"""
JUDGED = {"resultTypes": ["violations"]}
"""Axe describes nothing but what is wrong, which is quicker."""


def find_browser() -> tuple[str, str] | None:
    """Where Chromium and its driver are on this machine, if both are."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    return (browser, driver) if browser and driver else None


@contextmanager
def open_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile that logs what it asks for and what goes wrong.

    Both paths are given, so that Selenium neither looks for a browser nor downloads one.
    """
    found = find_browser()
    if found is None:
        raise RuntimeError(f"{BROWSERS[0]} and {DRIVER} are needed on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found[1]))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def reading(
    driver: webdriver.Chrome, url: str, *, key: str | None = None, ignored: str | None = None
) -> Iterator[Page]:
    """The page of a service for who comes anew, or with a key.

    In the end it must have asked no one else, and complained of nothing, but of what is ignored.
    """
    page = Page(driver, url)
    page.emulate()
    if key:
        page.begin_with(f"if (location.host) sessionStorage.setItem('bearing-key', '{key}')")
    page.foreign_requests()  # of pages before
    try:
        yield page
    finally:
        page.leave()
    said = page.complaints()
    assert [one for one in said if ignored is None or ignored not in one] == []
    assert page.foreign_requests() == []


class Page:
    """The page of a service in a browser, as a reader uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.expected: set[int] = set()
        """Statuses of refusals that a test provokes; the browser's console reports each."""
        self._scripts: list[dict[str, str]] = []
        driver.get("about:blank")  # so that a page before asks for nothing more
        self._log("browser")  # of pages before, whose tests may have provoked others

    # Looking

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a CSS selector, in the order of the page."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The visible text of an element."""
        return self.one(selector).text

    def contents(self, selector: str) -> list[str]:
        """All text within each element, seen or not, spaces and line ends as they are."""
        return self._each(selector, "one.textContent")

    def values(self, selector: str, attribute: str) -> list[str | None]:
        """An attribute of each element; None where one has it not."""
        return self._each(selector, "one.getAttribute(arguments[1])", attribute)

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns in the page."""
        return self.driver.execute_script(script, *arguments)

    @property
    def focused(self) -> WebElement:
        """What has the focus."""
        return self.driver.switch_to.active_element

    @property
    def address(self) -> str:
        """Path, query and fragment of what is shown."""
        return self.driver.current_url.removeprefix(self.url)

    # Doing

    def open(self, address: str = "/") -> None:
        """Load an address of the page, and wait until it shows what it has."""
        if "#" in address:  # whose change alone loads nothing
            self.driver.get("about:blank")
        self.driver.get(self.url + address)
        self.settle()

    def begin_with(self, script: str) -> None:
        """Run a script in each page before its own, until it is left."""
        command = "Page.addScriptToEvaluateOnNewDocument"
        self._scripts.append(self.driver.execute_cdp_cmd(command, {"source": script}))

    def leave(self) -> None:
        """Forget what the tab keeps of the service."""
        while self._scripts:
            added = self._scripts.pop()
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        if self._is_own(self.driver.current_url):
            self.run("if (location.host) [sessionStorage, localStorage].map(one => one.clear())")

    def settle(self) -> None:
        """Wait until the page knows the collections and no request is under way."""
        self.until(
            lambda: self.run(
                "return !document.querySelector('#collection').disabled"
                " && !document.querySelector('[aria-busy=true]')"
            )
        )

    def until(self, condition: Callable[[], Any]) -> Any:
        """What a condition gives, once that is true; the page may draw itself anew meanwhile."""
        waiting = WebDriverWait(
            self.driver, WAIT_SECONDS, 0.02, ignored_exceptions=[StaleElementReferenceException]
        )
        return waiting.until(lambda _: condition())

    def press(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def pointer(self) -> ActionChains:
        """What a hand does, each move at once rather than in a quarter of a second."""
        return ActionChains(self.driver, duration=0)

    def write(self, selector: str, text: str) -> None:
        """Replace what a field holds, as typing does."""
        field = self.one(selector)
        field.clear()
        field.send_keys(text)

    def search(self, query: str) -> None:
        """Ask a query as its button does, and wait for the answer."""
        self._submit("#search", {"#query": query})

    def compare(self, texts: str, against: str = "") -> None:
        """Hold lines against each other, or against other lines."""
        self._submit("#compare", {"#texts": texts, "#against": against})

    def emulate(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """A screen of this size in CSS pixels, of a reader who prefers these colours and calm."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        preferred = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in preferred.items()]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    # Judging

    def complaints(self) -> list[str]:
        """What the console says and no test expects: faults, refusals, breaches of the policy."""
        refusals = [f"the server responded with a status of {status} " for status in self.expected]
        messages = self._log("browser")
        return [one for one in messages if not any(refusal in one for refusal in refusals)]

    def violations(self, within: str | None = None) -> list[tuple[str, list[str]]]:
        """What the checker axe finds wrong: each rule with the elements that break it."""
        found = Axe().run(self.driver, within, JUDGED)["violations"]
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]

    def foreign_requests(self) -> list[str]:
        """Whatever was asked of anyone but the service."""
        events = [json.loads(message)["message"] for message in self._log("performance")]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        asked = [event["request"]["url"] for event in sent]
        return [url for url in asked if not self._is_own(url)]

    def _submit(self, form: str, fields: dict[str, str]) -> None:
        """Fill fields in one step, and press the button by a key, which costs less than a click."""
        self.run(FILL, form, list(fields.items()))
        self.press(Keys.ENTER)
        self.settle()

    def _each(self, selector: str, expression: str, *arguments: str) -> list[Any]:
        script = f"return [...document.querySelectorAll(arguments[0])].map(one => {expression})"
        found: list[Any] = self.run(script, selector, *arguments)
        return found

    def _log(self, name: str) -> list[str]:
        entries: list[dict[str, str]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def _is_own(self, url: str) -> bool:
        return url.startswith(f"{self.url}/") or urlsplit(url).scheme in ("data", "about")
