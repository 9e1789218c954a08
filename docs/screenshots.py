"""Take the pictures in docs/images anew: ``python docs/screenshots.py [DATA]``, needs Chromium.

They show the demonstration, that is the documentation of the Python that runs this, with the
default model. DATA is where its collection is kept, ``data`` beside this folder if not given; what
is indexed there already is not embedded again. A collection ``notebook`` is made there for some of
them, and deleted in the end. That of trained models shows some of a made collection.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
from PIL import Image

from indexer.documents import Document
from indexer.readers.standard_library import read_standard_library

if TYPE_CHECKING:
    from browsing import Page

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
INDEXING_SECONDS = 3_600
COLOURS = 256
EXACT_COLOURS = 96

QUESTION = "keep only the most recently used results of a slow function"
TEXTS = """How do I open a file?
Reading text from disk
Parse a JSON document
Decode a string of JSON
The cat sleeps on the sofa
A kitten is napping
Stock prices fell sharply today"""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown at an address of the page, on a screen of this size, after a script.

    ``awaited`` selects what must be there.
    """

    name: str
    address: str
    width: int = 1120
    height: int = 860
    scheme: str = "light"
    script: str = ""
    awaited: str = "main"


NOTEBOOK = "notebook"
FILES = {
    "whales.md": "# Whales\n\nA whale is a mammal that lives in the sea.",
    "ships.txt": "The whaler Pequod sailed from Nantucket.",
    "logbook.jsonl": "\n".join(
        [*(json.dumps({"id": f"day-{n}", "text": f"Day {n} at sea."}) for n in range(1, 41)), "{"]
    ),
    "harbour.mp4": "no text",
}
OPEN_FILTER = "document.querySelector('#filter-toggle').click()"
DROP_FILES = (
    "const transfer = new DataTransfer();"
    f"for (const [name, text] of Object.entries({json.dumps(FILES)}))"
    " transfer.items.add(new File([text], name));"
    "document.body.dispatchEvent("
    "new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));"
    "document.querySelector('#view-add').setAttribute('aria-busy', 'true');"
    "const ready = setInterval(() => {"
    " if (!document.querySelector('#search-added').hidden) {"
    " document.querySelector('.rejects').open = true; clearInterval(ready);"
    " document.querySelector('#view-add').removeAttribute('aria-busy'); } }, 50);"
)

SEARCH = "/?" + urlencode({"q": QUESTION})
FILTERED = SEARCH + "&" + urlencode({"filter": json.dumps({"kind": {"$in": ["class", "method"]}})})
COMPARE = "/?view=compare#" + urlencode({"texts": TEXTS})
PICTURES = (
    Picture("search", SEARCH),
    Picture("search-dark", SEARCH, scheme="dark"),
    Picture("similarity", COMPARE, height=850),
    Picture("similarity-dark", COMPARE, height=850, scheme="dark"),
    Picture("phone", SEARCH, width=390, height=844),
    Picture("map", "/?view=map", height=900, awaited=".map-leaders ~ span:not(.hidden)"),
    Picture("filter", FILTERED, script=OPEN_FILTER),
    Picture("document", "/#/c/default/d/functools.lru_cache"),
    Picture("files", f"/?view=add&c={NOTEBOOK}", script=DROP_FILES, height=820),
    Picture("collections", "/?view=collections", height=420),
)
MODELS = Picture("models", "/?view=collections&c=docs", height=760)


def main(data: Path = ROOT / "data") -> None:
    """Serve the demonstration, look at each picture's address, and write what is seen."""
    # The tests' browser is on no path of an installed package.
    sys.path.insert(0, str(ROOT / "tests"))
    from browsing import Page, open_browser
    from serving import running_service

    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as profile,
        running_service(data, {}, "demo", INDEXING_SECONDS) as url,
        open_browser(Path(profile)) as driver,
        notebook(url),
    ):
        wait_for_documents(url)
        wait_for_map(url)
        ask_once(url)
        page = Page(driver, url)
        for picture in PICTURES:
            take(picture, page)
        with trained_models() as models:
            take(MODELS, Page(driver, models))


def take(picture: Picture, page: Page) -> None:
    """Write what is seen at a picture's address, in few colours: its file is a third as large."""
    page.emulate(width=picture.width, height=picture.height, scheme=picture.scheme)
    page.open(picture.address)
    page.run(f"document.activeElement.blur(); {picture.script}")
    page.settle()
    page.until(lambda: page.all(picture.awaited))
    seen = Image.open(BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    path = IMAGES / f"{picture.name}.png"
    in_few_colours(seen).save(path, optimize=True)
    sys.stdout.write(f"docs/images/{path.name}\n")


def in_few_colours(seen: Image.Image) -> Image.Image:
    """The picture in COLOURS colours; the commonest, such as the page's own, stay as they are."""
    counted = sorted(seen.getcolors(seen.width * seen.height) or [], reverse=True)
    exact = [value for _, colour in counted[:EXACT_COLOURS] for value in colour]
    # The usual way drops rare colours, such as that of the needle in the compass.
    rest = seen.quantize(COLOURS - EXACT_COLOURS, Image.Quantize.MAXCOVERAGE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*exact, *(rest.getpalette() or [])])
    return seen.quantize(palette=palette, dither=Image.Dither.NONE)


def ask_once(url: str) -> None:
    """Ask what the pictures ask: the first search of a collection learns what scores mean there."""
    httpx.post(
        f"{url}/search", json={"query": QUESTION, "mode": "hybrid"}, timeout=60, trust_env=False
    )


@contextmanager
def trained_models() -> Iterator[str]:
    """A service with a collection and two adapters trained for it, of which one serves."""
    from serving import running_service
    from vocabularies import MODEL, examples, open_vocabularies, train_adapter

    with tempfile.TemporaryDirectory() as folder:
        with open_vocabularies(Path(folder)) as library:
            train_adapter(library, "questions", examples())
            train_adapter(library, "too-few", examples(10, seed=2))
        with running_service(Path(folder), {"MODEL": MODEL}) as url:
            body = {"model": "questions"}
            place = f"{url}/collections/docs/model"
            httpx.post(place, json=body, timeout=60, trust_env=False).raise_for_status()
            yield url


def wait_for_documents(url: str) -> None:
    """Let the demonstration be indexed, which goes on while it is served."""
    place = f"{url}/collections/default"
    expected = sum(isinstance(read.item, Document) for read in read_standard_library())
    while httpx.get(place, trust_env=False).raise_for_status().json()["documents"] < expected:
        time.sleep(1)


def wait_for_map(url: str) -> None:
    """Let the service draw the map, which it does when it is asked for one."""
    place = f"{url}/collections/default/map"
    while httpx.get(place, trust_env=False).raise_for_status().json()["state"] != "ready":
        time.sleep(1)


@contextmanager
def notebook(url: str) -> Iterator[None]:
    """An empty collection, while there is one to be shown."""
    place = f"{url}/collections/{NOTEBOOK}"
    made = httpx.put(place, json={}, timeout=INDEXING_SECONDS, trust_env=False)
    if made.status_code != HTTPStatus.CREATED:
        raise SystemExit(f"there is a collection {NOTEBOOK} already: give another DATA")
    try:
        yield
    finally:
        httpx.delete(place, trust_env=False).raise_for_status()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
