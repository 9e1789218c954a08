"""Pictures that a small model can learn to name: two stripes, each in the colour of a word."""

from __future__ import annotations

import io
import json
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image

from .conftest import WORDS

SIDE = 32
COLOURS = np.random.default_rng(5).integers(0, 256, (len(WORDS), 3)).astype(np.uint8)


def drawing(words: list[str]) -> bytes:
    """A PNG of stripes, one for each word, from top to bottom."""
    rows = np.array_split(np.arange(SIDE), len(words))
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    for row, word in zip(rows, words, strict=True):
        pixels[row] = COLOURS[WORDS.index(word)]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_album(folder: Path, count: int, *, captions: bool = True) -> Path:
    """A folder of drawings with records that name them, and their captions; the records' file."""
    (folder / "images").mkdir(parents=True)
    pairs = list(permutations(WORDS, 2))
    lines = []
    for number, place in enumerate(np.random.default_rng(3).permutation(len(pairs))[:count]):
        words = list(pairs[place])
        (folder / "images" / f"{number}.png").write_bytes(drawing(words))
        record = {"_id": f"p{number}", "image": f"images/{number}.png"}
        lines.append(json.dumps(record | ({"text": " ".join(words)} if captions else {})))
    path = folder / "corpus.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path
