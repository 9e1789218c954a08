"""The map as its readers meet it: a real process, a real browser, and the API as the oracle."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from browsing import Page, reading
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from serving import running_service

TOPICS = ("heart and blood", "wings and lift", "stars and orbits")
COUNT = 120
LATE = 15
WAIT_SECONDS = 60
VIEW = "/?view=map"
OTHER_SCREENS = (("light", 390), ("light", 1280), ("dark", 1280))
DRIVER_MESSAGE = "GL Driver Message"
"""What software that draws WebGL says of its own speed when a picture is taken."""

WITHOUT_WEBGL = """
const contextOf = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl" ? null : contextOf.call(this, kind, ...rest);
};
"""


MANY_POINTS = """
const done = arguments[0], host = document.createElement("div");
window.counts = [];
host.id = "many";
host.style = "position: relative; block-size: 20rem";
document.body.append(host);
import("/plane.js").then(({ planeIn }) => {
  const tell = () => {
    counts.push(Number(host.dataset.drawn));
    for (const until = performance.now() + 60; performance.now() < until; );  // a slow frame
    if (counts.length < 8) plane.zoom(1.01);
    else done();
  };
  const plane = planeIn(host, { onPoint() {}, onOpen() {}, onLasso() {}, onMove: tell });
  const xy = Float32Array.from({ length: 40_000 }, (_, i) => Math.sin(i * i));
  plane.setPoints(xy, new Uint8Array(80_000).fill(255));
});
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a map of its default collection; ``bare`` is empty."""
    with running_service(tmp_path_factory.mktemp("data"), {"MODEL": "hashing"}) as address:
        fill(address, "default", range(COUNT))
        httpx.put(f"{address}/collections/bare", json={"model": "hashing"}).raise_for_status()
        wait_for(address)
        yield address


def fill(address: str, collection: str, numbers: range) -> None:
    """Documents of three topics."""
    documents = [
        {
            "id": f"d/{i}",
            "title": f"Of {TOPICS[i % 3]}, {i}",
            "text": f"{TOPICS[i % 3]} {TOPICS[i % 3]} number {i}",
            "metadata": {"topic": TOPICS[i % 3][:5], "year": 1950 + i},
        }
        for i in numbers
    ]
    if collection != "default":
        httpx.put(f"{address}/collections/{collection}", json={"model": "hashing"})
    path = f"{address}/collections/{collection}/documents"
    httpx.put(path, json={"documents": documents}, timeout=60).raise_for_status()


def told(address: str, path: str = "map", collection: str = "default") -> dict[str, Any]:
    """What the API says of a map."""
    answer = httpx.get(f"{address}/collections/{collection}/{path}").raise_for_status().json()
    assert isinstance(answer, dict)
    return answer


def wait_for(address: str) -> None:
    """Until the map is ready."""
    end = time.monotonic() + WAIT_SECONDS
    while told(address)["state"] != "ready":
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """The page, which must have asked no one else and complained of nothing in the end."""
    with reading(browser, url, ignored=DRIVER_MESSAGE) as page:
        yield page


def camera(page: Page) -> dict[str, float]:
    """The middle of what is seen, and how many pixels long one is."""
    data = page.run("return {...document.querySelector('.plane').dataset}")
    return {name: float(data[name]) for name in ("x", "y", "scale")}


def pixel_of(page: Page, url: str, id: str) -> tuple[float, float]:
    """Where a document is seen, from the middle of the plane."""
    points, seen = told(url, "map/points"), camera(page)
    place = points["ids"].index(id)
    return (
        (points["x"][place] - seen["x"]) * seen["scale"],
        -(points["y"][place] - seen["y"]) * seen["scale"],
    )


def move_to(page: Page, url: str, id: str) -> ActionChains:
    """The pointer on a document."""
    left, top = pixel_of(page, url, id)
    plane = page.one(".plane")
    return page.pointer().move_to_element_with_offset(plane, round(left), round(top))


def beside(url: str, id: str) -> set[str]:
    """The documents that lie where a document does, as far as one can point."""
    points = told(url, "map/points")
    place = points["ids"].index(id)
    return {
        other
        for other, x, y in zip(points["ids"], points["x"], points["y"], strict=True)
        if abs(x - points["x"][place]) < 0.01 and abs(y - points["y"][place]) < 0.01
    }


def test_shows_every_document_and_what_it_is_worth(page: Page, url: str) -> None:
    """The counts and the share of neighbours kept are the API's."""
    page.open(VIEW)
    about = told(url)
    assert page.one(".plane").get_dom_attribute("data-points") == str(about["documents"])
    facts = page.text(".map-facts")
    assert facts.startswith(f"{about['documents']} documents")
    assert f"{math.floor(100 * about['neighbours_kept']['mean'] + 0.5)} %" in facts


def test_clusters_are_told_in_words_and_lead_to_their_place(page: Page, url: str) -> None:
    """The list says what the picture shows, the largest first; its entries move the map."""
    page.open(VIEW)
    clusters = sorted(told(url)["clusters"], key=lambda one: -one["documents"])
    shown = page.contents(".swatches li")
    assert shown == [f"{', '.join(one['words'])}{one['documents']}" for one in clusters]
    whole = camera(page)["scale"]
    page.one(".swatches button").click()
    page.until(lambda: camera(page)["scale"] == pytest.approx(5 * whole))
    assert camera(page)["x"] == pytest.approx(clusters[0]["x"], abs=1e-4)
    assert camera(page)["y"] == pytest.approx(clusters[0]["y"], abs=1e-4)


def test_pointing_names_a_document_and_a_click_opens_it(page: Page, url: str) -> None:
    """Its title is read out; the address then is the document's."""
    page.open(VIEW)
    move_to(page, url, "d/7").perform()
    page.until(lambda: page.text("#view-map .readout"))
    near = {f"Of {TOPICS[int(id[2:]) % 3]}, {id[2:]}" for id in beside(url, "d/7")}
    assert page.contents("#view-map .readout b")[0] in near
    left, top = pixel_of(page, url, "d/7")
    plane, readout = page.one(".plane").rect, page.one("#view-map .readout").rect
    across = readout["x"] + readout["width"] / 2 - plane["x"] - plane["width"] / 2 - left
    down = readout["y"] + readout["height"] / 2 - plane["y"] - plane["height"] / 2 - top
    assert abs(across) < readout["width"] and abs(down) < readout["height"]
    ring = page.one(".map-ring").rect
    assert abs(ring["x"] + ring["width"] / 2 - plane["x"] - plane["width"] / 2 - left) < 8
    assert abs(ring["y"] + ring["height"] / 2 - plane["y"] - plane["height"] / 2 - top) < 8
    move_to(page, url, "d/7").click().perform()
    page.until(lambda: "#/c/default/d/" in page.address)
    page.settle()
    assert page.text("#document h2") in near
    page.driver.back()
    page.until(lambda: page.one("#view-map").is_displayed())


def test_what_lies_under_a_button_is_not_named(page: Page, url: str) -> None:
    """The map is drawn until a document is there; what is said of it would hide the button."""
    page.open(VIEW)
    nearer, points = page.one(".map-zoom button"), told(url, "map/points")
    rightmost = max(zip(points["x"], points["ids"], strict=True))[1]
    chain = move_to(page, url, rightmost)
    chain.perform()
    page.until(lambda: page.text("#view-map .readout"))
    chain.click_and_hold().move_to_element(nearer).release().move_by_offset(1, 1).perform()
    page.until(lambda: not page.one("#view-map .readout").is_displayed())


def test_keys_move_and_magnify_and_open(page: Page) -> None:
    """All that a pointer does can be done without one."""
    page.open(VIEW)
    page.run("document.querySelector('.plane').focus()")
    whole = camera(page)
    page.press("+")
    page.until(lambda: camera(page)["scale"] == pytest.approx(1.5 * whole["scale"]))
    page.press("-")
    page.until(lambda: camera(page)["scale"] == pytest.approx(whole["scale"]))
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    page.until(lambda: camera(page)["x"] > whole["x"] and camera(page)["y"] > whole["y"])
    page.press("0")
    page.until(lambda: camera(page) == whole)
    page.one(".swatches button").click()  # to where a document is
    page.run("document.querySelector('.plane').focus()")
    page.press("+")
    page.until(lambda: page.text("#view-map .readout"))
    page.press(Keys.ENTER)
    page.until(lambda: "#/c/default/d/" in page.address)


def test_the_wheel_magnifies_what_is_under_the_pointer(page: Page, url: str) -> None:
    """A document stays where it is seen; buttons do the same for the middle."""
    page.open(VIEW)
    plane = page.one(".plane")
    before = pixel_of(page, url, "d/7")
    origin = ScrollOrigin.from_element(plane, round(before[0]), round(before[1]))
    scale = camera(page)["scale"]
    page.pointer().scroll_from_origin(origin, 0, -300).perform()
    page.until(lambda: camera(page)["scale"] > 1.3 * scale)
    assert pixel_of(page, url, "d/7") == pytest.approx(before, abs=3)
    page.one("[aria-label='Show all']").click()
    page.until(lambda: camera(page)["scale"] == pytest.approx(scale))
    page.one("[aria-label='Nearer']").click()
    page.until(lambda: camera(page)["scale"] == pytest.approx(1.5 * scale))


def test_dragging_moves_and_opens_nothing(page: Page) -> None:
    """The map goes with the hand."""
    page.open(VIEW)
    before = camera(page)
    plane = page.one(".plane")
    page.pointer().move_to_element(plane).click_and_hold().move_by_offset(
        80, 40
    ).release().perform()
    page.until(lambda: camera(page) != before)
    after = camera(page)
    assert after["x"] == pytest.approx(before["x"] - 80 / before["scale"], abs=0.02)
    assert after["y"] == pytest.approx(before["y"] + 40 / before["scale"], abs=0.02)
    assert page.one("#view-map").is_displayed()


def test_hits_light_up_as_one_types(page: Page, url: str) -> None:
    """The best are listed as links; nothing is lit once the box is empty."""
    page.open(VIEW)
    dark = page.one(".plane").screenshot_as_base64
    page.write("#map-query", "stars and orbits")
    page.until(lambda: page.contents(".map-hits li"))
    body = {"query": "stars and orbits", "k": 100}
    hits = httpx.post(f"{url}/search", json=body).json()["hits"]
    page.until(lambda: page.contents(".map-hits li") == [hit["title"] for hit in hits[:5]])
    assert page.one(".plane").get_dom_attribute("data-lit") == "100"
    assert page.text(".map-status") == "100 hits lit up"
    assert page.one(".plane").screenshot_as_base64 != dark
    page.write("#map-query", " ")
    page.until(lambda: page.one(".plane").get_dom_attribute("data-lit") == "")
    assert page.contents(".map-hits li") == []


def test_it_is_coloured_by_a_field(page: Page, url: str) -> None:
    """Words have a legend with counts, numbers a scale."""
    page.open(VIEW)
    clusters = page.one(".plane").screenshot_as_base64
    options = page.contents("#map-colour option")
    assert options == ["cluster", "score of the query", "topic", "year"]
    page.one("#map-colour option[value=topic]").click()
    page.until(lambda: page.all("[aria-label='Values of topic']"))
    column = told(url, "map/values?field=topic")
    assert page.contents(".swatches li") == [
        f"{one['value']}{one['documents']}" for one in column["categories"]
    ]
    page.until(lambda: page.one(".plane").screenshot_as_base64 != clusters)
    page.one("#map-colour option[value=year]").click()
    page.until(lambda: page.all(".map-legend .ramp"))
    low, high = (int(text) for text in page.contents(".map-legend .ends span"))
    assert 1950 <= low < high <= 1950 + COUNT + LATE


def seen_points(page: Page, url: str) -> list[tuple[float, float]]:
    """Where all documents are seen, from the upper left of the plane."""
    points, seen, plane = told(url, "map/points"), camera(page), page.one(".plane")
    width, height = page.run("return [arguments[0].clientWidth, arguments[0].clientHeight]", plane)
    return [
        (width / 2 + (x - seen["x"]) * seen["scale"], height / 2 - (y - seen["y"]) * seen["scale"])
        for x, y in zip(points["x"], points["y"], strict=True)
    ]


def test_it_fills_its_box_and_labels_cover_no_point(page: Page, url: str) -> None:
    """The points reach from edge to edge one way; labels stand beside them, apart from another."""
    page.open(VIEW)
    script = "return [...document.querySelectorAll('.map-labels span:not(.hidden)')].map(e =>"
    script += " [e, e.closest('.plane')].map(one => one.getBoundingClientRect().toJSON()))"
    page.until(lambda: page.run(script))
    boxes = [
        (
            box["left"] - plane["left"] - 1,
            box["top"] - plane["top"] - 1,
            box["width"],
            box["height"],
        )
        for box, plane in page.run(script)
    ]
    for left, top, width, height in boxes:
        inside = [
            (x, y)
            for x, y in seen_points(page, url)
            if left < x < left + width and top < y < top + height
        ]
        assert inside == []
    xs, ys = zip(*seen_points(page, url), strict=True)
    plane = page.one(".plane").rect
    shares = (max(xs) - min(xs)) / plane["width"], (max(ys) - min(ys)) / plane["height"]
    assert max(shares) > 0.9


def test_documents_are_selected_by_drawing_around_them(page: Page, url: str) -> None:
    """As many as lie within light up, the first are named; the next drag moves the map again."""
    page.open(VIEW)
    page.one("#map-select").click()
    plane = page.one(".plane")
    width, height = int(plane.rect["width"]), int(plane.rect["height"])
    corners = [(-width // 2 + 5, -height // 2 + 5), (0, -height // 2 + 5), (0, height // 2 - 5)]
    corners.append((-width // 2 + 5, height // 2 - 5))
    chain = page.pointer().move_to_element_with_offset(plane, *corners[0])
    chain.click_and_hold()
    for corner in corners[1:]:
        chain.move_to_element_with_offset(plane, *corner)
    chain.release().perform()
    middle = width / 2
    within = [x for x, _ in seen_points(page, url) if x < middle]
    page.until(lambda: page.text(".map-status").startswith(f"{len(within)} documents selected"))
    page.until(lambda: len(page.contents(".map-hits li")) == 10)
    assert plane.get_dom_attribute("data-lit") == str(len(within))
    assert page.one("#map-select").get_dom_attribute("aria-pressed") == "false"
    page.one(".map-status button").click()
    page.until(lambda: plane.get_dom_attribute("data-lit") == "")


def test_the_address_says_what_is_seen(page: Page, url: str) -> None:
    """Colour, values that are kept, place and query come back with a link."""
    page.open(VIEW)
    page.one("#map-colour option[value=topic]").click()
    page.until(lambda: page.all("[aria-label='Values of topic']"))
    plain = page.one(".plane").screenshot_as_base64
    page.one(".swatches button[data-value=stars]").click()
    page.until(lambda: page.one(".plane").screenshot_as_base64 != plain)
    page.one("[aria-label='Nearer']").click()
    page.until(lambda: "seen=" in page.address)
    assert "colour=topic&keep=stars" in page.address
    before = camera(page)
    page.open(page.address)
    page.until(lambda: camera(page)["scale"] == pytest.approx(before["scale"], rel=1e-3))
    pressed = ".swatches [aria-pressed=true]"
    page.until(lambda: page.values(pressed, "data-value") == ["stars"])
    page.write("#map-query", "stars and orbits")
    page.until(lambda: "q=stars+and+orbits" in page.address)
    page.one("#map-colour option:nth-child(2)").click()
    page.until(lambda: page.text(".map-status").endswith("hits coloured by score"))
    body = {"query": "stars and orbits", "k": 1000}
    scores = [hit["score"] for hit in httpx.post(f"{url}/search", json=body).json()["hits"]]
    low, high = (float(text) for text in page.contents(".map-legend .ends span"))
    assert min(scores) <= low < high <= max(scores) + 1e-3


def test_it_is_drawn_without_webgl_too(page: Page, url: str) -> None:
    """On a plain canvas, where the browser has nothing better."""
    page.open(VIEW)
    assert page.one(".plane").get_dom_attribute("data-renderer") == "webgl"
    command = "Page.addScriptToEvaluateOnNewDocument"
    added = page.driver.execute_cdp_cmd(command, {"source": WITHOUT_WEBGL})
    try:
        page.open(VIEW)
        plane = page.one(".plane")
        assert plane.get_dom_attribute("data-renderer") == "2d"
        drawn = plane.screenshot_as_base64
        page.write("#map-query", "stars and orbits")
        page.until(lambda: plane.get_dom_attribute("data-lit") == "100")
        page.until(lambda: plane.screenshot_as_base64 != drawn)
        move_to(page, url, "d/7").click().perform()
        page.until(lambda: "#/c/default/d/" in page.address)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_a_slow_move_draws_some_of_many_points(page: Page) -> None:
    """All are drawn at rest; where frames are slow, a move has the first of them, a fair sample."""
    page.open(f"{VIEW}&c=bare")
    page.driver.execute_async_script(MANY_POINTS)
    drawn = page.run("return counts")
    assert drawn[0] == 20_000
    assert min(drawn) < 10_000
    page.until(lambda: page.one("#many").get_dom_attribute("data-drawn") == "20000")


def test_an_empty_collection_says_so(page: Page) -> None:
    """There is nothing to draw."""
    page.open(f"{VIEW}&c=bare")
    assert "Nothing to draw yet" in page.text("#map")


def test_a_map_that_is_not_there_is_awaited(page: Page, url: str) -> None:
    """The page says that it is being drawn, and shows it once it is."""
    fill(url, "fresh", range(40))
    page.driver.get(f"{url}{VIEW}&c=fresh")
    page.until(lambda: "being drawn" in page.text("#map") or page.all(".plane"))
    page.until(lambda: page.all(".plane"))
    page.settle()
    assert page.one(".plane").get_dom_attribute("data-points") == "40"


def test_documents_that_come_find_their_place(page: Page, url: str) -> None:
    """The map is brought up while it is looked at."""
    fill(url, "default", range(COUNT, COUNT + LATE))
    page.open(VIEW)
    total = str(COUNT + LATE)
    page.until(lambda: page.one(".plane").get_dom_attribute("data-points") == total)
    page.until(lambda: f"{LATE} placed among the others" in page.text(".map-facts"))


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("dark", 390), *(pytest.param(*other, marks=pytest.mark.long) for other in OTHER_SCREENS)],
)
def test_anyone_can_read_it(page: Page, scheme: str, width: int) -> None:
    """Axe finds nothing wrong, and nothing is wider than the screen."""
    page.emulate(width=width, height=844, scheme=scheme)
    page.open(VIEW)
    page.write("#map-query", "wings")
    page.until(lambda: page.contents(".map-hits li"))
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
