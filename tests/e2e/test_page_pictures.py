"""Pictures on the page: in a grid, in large, and to search by."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from browsing import Page, reading
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from serving import running_service
from typer.testing import CliRunner

from indexer.cli.app import commands

KEY = "a-key-for-pictures"
HEADERS = {"Authorization": f"Bearer {KEY}"}
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
DROP = (
    "const bytes = Uint8Array.from(atob(arguments[0]), (one) => one.charCodeAt(0));"
    "const transfer = new DataTransfer();"
    "transfer.items.add(new File([bytes], 'one.png', {type: 'image/png'}));"
    "document.querySelector(arguments[1]).dispatchEvent(arguments[2] === 'paste'"
    " ? new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true})"
    " : new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));"
)


def picture(colour: tuple[int, int, int]) -> str:
    """A picture of one colour as a file, in base64."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def copied_documents() -> list[dict[str, Any]]:
    """A scene and a smaller copy of it, two equal texts, and others like nothing."""
    rough = np.random.default_rng(1).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    scene = Image.fromarray(rough).resize((160, 120), Image.Resampling.BICUBIC)
    documents: list[dict[str, Any]] = []
    for id, image, year in (("large", scene, 2019), ("small", scene.resize((80, 60)), 2020)):
        file = io.BytesIO()
        image.save(file, "PNG")
        encoded = base64.b64encode(file.getvalue()).decode()
        documents.append({"id": id, "image": encoded, "metadata": {"year": year}})
    said = [" ".join(f"{a}{n}" for n in range(30)) for a in "abcdefgh"]
    texts = [*said, f"{said[3]} <b>more", said[3]]
    return [*documents, *({"id": f"text-{at}", "text": text} for at, text in enumerate(texts))]


def leave_one(data: Path) -> Path:
    """A picture that was indexed into the collection ``left``, and is no longer in its place."""
    file = data.with_name("left.png")
    Image.new("RGB", (64, 48), (90, 40, 10)).save(file)
    command = ["index", str(file), "--data", str(data), "--collection", "left"]
    done = CliRunner().invoke(commands(), [*command, "--model", "hashing-images"])
    assert done.exit_code == 0, done.output
    file.unlink()
    return data


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants a key, with three pictures and a text; and another that went away."""
    settings = {"MODEL": "hashing-images", "API_KEYS": KEY}
    data = tmp_path_factory.mktemp("data")
    with running_service(leave_one(data), settings) as address:
        documents: list[dict[str, Any]] = [
            {"id": f"{name}/1.png", "image": picture(colour), "text": f"a {name} sheet"}
            for name, colour in COLOURS.items()
        ]
        body = {"documents": [*documents, {"id": "words", "text": "a sheet of words"}]}
        httpx.put(f"{address}/documents", json=body, headers=HEADERS).raise_for_status()
        copies = {"documents": copied_documents()}
        path = f"{address}/collections/copies"
        httpx.put(path, json={"model": "hashing-images"}, headers=HEADERS).raise_for_status()
        httpx.put(f"{path}/documents", json=copies, headers=HEADERS).raise_for_status()
        yield address


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """The page with the key; it must have asked no one else, and complained of nothing."""
    with reading(browser, url, key=KEY) as page:
        yield page


def shown(page: Page) -> list[str | None]:
    """The ids of the hits."""
    return page.values(".hit", "data-id")


def loaded(page: Page, selector: str) -> bool:
    """Whether all images are there and were read."""
    script = "const all = [...document.querySelectorAll(arguments[0])];"
    script += "return all.length > 0 && all.every((one) => one.complete && one.naturalWidth > 0)"
    return bool(page.run(script, selector))


def test_hits_with_pictures_are_a_grid(page: Page) -> None:
    """Each opens in large, arrows lead to the next, and its name to the document."""
    page.open("/?q=sheet")
    assert set(shown(page)) == {*(f"{name}/1.png" for name in COLOURS), "words"}
    page.until(lambda: loaded(page, ".hit img"))
    assert len(page.all(".pictured .hit img")) == len(COLOURS)
    tops = {hit.rect["y"] for hit in page.all(".hit")}
    assert len(tops) < len(shown(page))
    names = [str(id) for id in shown(page) if id != "words"]
    page.one(".hit .thumbnail").click()
    page.until(lambda: loaded(page, ".light-box img"))
    assert page.text(".light-box .caption a") == names[0]
    assert "64 \u00d7 48" in page.text(".light-box .metadata")
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: page.text(".light-box .caption a") == names[1])
    assert page.violations() == []
    page.one(".light-box .caption a").click()
    page.until(lambda: loaded(page, ".document .whole-picture"))
    assert page.text(".document h2") == names[1]
    assert page.all(".light-box") == []


@pytest.mark.parametrize(("place", "way"), [("#search", "drop"), ("body", "paste")])
def test_a_picture_is_searched_by(page: Page, url: str, place: str, way: str) -> None:
    """One that is dropped on the box, or pasted, finds what the API finds by it."""
    page.open()
    page.run(DROP, picture(COLOURS["green"]), place, way)
    page.until(lambda: page.all(".hit"))
    page.settle()
    body = {"image": picture(COLOURS["green"])}
    answer = httpx.post(f"{url}/search", json=body, headers=HEADERS).raise_for_status().json()
    assert shown(page) == [hit["id"] for hit in answer["hits"]]
    assert shown(page)[0] == "green/1.png"
    assert page.all("#summary .asked-picture")
    page.search("words")
    assert page.address == "/?q=words"
    page.driver.back()
    page.until(lambda: shown(page)[:1] == ["green/1.png"])


def test_a_picture_is_chosen_by_a_button(page: Page, tmp_path: Path) -> None:
    """A text after it is searched for instead; the grid fits a phone, in the dark."""
    file = tmp_path / "red.png"
    file.write_bytes(base64.b64decode(picture(COLOURS["red"])))
    page.emulate(width=360, height=740, scheme="dark")
    page.open()
    page.one("#picture").send_keys(str(file))
    page.until(lambda: shown(page)[:1] == ["red/1.png"])
    page.until(lambda: loaded(page, ".hit img"))
    assert page.run("return document.documentElement.scrollWidth") <= 360
    assert page.violations() == []


def test_a_picture_that_is_gone_is_said(page: Page) -> None:
    """The beginning shows pictures in small; one that went away has its thumbnail, and says so."""
    page.open("/?c=left")
    page.until(lambda: loaded(page, ".first-pictures img"))
    page.one(".first-pictures a").click()
    page.until(lambda: page.all(".picture-gone"))
    assert "no longer where it was indexed" in page.text(".picture-gone")
    page.until(lambda: loaded(page, ".whole-picture-place img"))
    assert page.violations() == []
    refused = page.complaints()  # by the browser, of the answer 410
    assert all("410" in one for one in refused)


def members(page: Page) -> list[list[str | None]]:
    """The ids of each document with copies, and of these."""
    groups = page.all(".duplicate-group ul")
    return [
        [one.get_dom_attribute("data-id") for one in group.find_elements("css selector", "li")]
        for group in groups
    ]


def test_copies_stand_side_by_side(page: Page, url: str) -> None:
    """What differs is marked, also on a phone in the dark; one is deleted by keys, and goes."""
    page.emulate(width=360, height=740, scheme="dark")
    page.open("/?view=collections")
    page.one('[aria-label="Duplicates in copies"]').send_keys(Keys.ENTER)
    page.until(lambda: page.all(".duplicate-group"))
    assert page.address == "/?view=duplicates&c=copies"
    assert members(page) == [["large", "small"], ["text-3", "text-9", "text-8"]]
    page.until(lambda: loaded(page, ".side-by-side img"))
    large, small = page.all(".side-by-side img")
    assert large.rect["y"] == small.rect["y"]
    assert page.contents(".side-by-side .kind")[:3] == ["largest", "copy", "first"]
    differing = page.contents('[data-id="small"] .differs')
    assert "80 \u00d7 60" in differing
    assert "2020" in differing
    assert page.contents(".side-by-side mark") == ["<b>more"]
    assert page.run("return document.documentElement.scrollWidth") <= 360
    assert page.violations() == []
    page.one('[aria-label="Delete small"]').send_keys(Keys.ENTER)
    page.until(lambda: page.all("dialog[open]"))
    page.one("dialog[open] .primary").send_keys(Keys.ENTER)
    page.until(lambda: members(page) == [["text-3", "text-9", "text-8"]])
    assert page.focused.text == "text-3"
    left = httpx.get(f"{url}/collections/copies/documents/small", headers=HEADERS)
    assert left.status_code == 404
    page.open("/?view=duplicates&c=left")
    page.until(lambda: "No document is a copy" in page.text("#duplicates"))
