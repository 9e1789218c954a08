"""Take the pictures in docs/images anew: ``python docs/screenshots.py [DATA]``, needs Chromium.

They show the demonstration, that is the documentation of the Python that runs this, with the
default model. DATA is where its collection is kept, ``data`` beside this folder if not given; what
is indexed there already is not embedded again.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
INDEXING_SECONDS = 3_600

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
    """What is shown at an address of the page, on a screen of this size."""

    name: str
    address: str
    width: int = 1120
    height: int = 860
    scheme: str = "light"


SEARCH = "/?" + urlencode({"q": QUESTION})
COMPARE = "/?view=compare#" + urlencode({"texts": TEXTS})
PICTURES = (
    Picture("search", SEARCH),
    Picture("search-dark", SEARCH, scheme="dark"),
    Picture("similarity", COMPARE, height=850),
    Picture("similarity-dark", COMPARE, height=850, scheme="dark"),
    Picture("phone", SEARCH, width=390, height=844),
)


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
    ):
        page = Page(driver, url)
        for picture in PICTURES:
            page.emulate(width=picture.width, height=picture.height, scheme=picture.scheme)
            page.open(picture.address)
            page.run("document.activeElement.blur()")
            driver.save_screenshot(str(IMAGES / f"{picture.name}.png"))
            sys.stdout.write(f"docs/images/{picture.name}.png\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
