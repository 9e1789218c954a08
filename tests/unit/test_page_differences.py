"""Words that differ between two texts, as the page marks them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).parents[2] / "app" / "web" / "differences.js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def differing(cases: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The pieces of both texts of each case, and the places of those that differ."""
    program = f"""
        import {{ differing, piecesOf }} from {json.dumps(MODULE.as_uri())};
        const told = ([a, b]) => {{
          const pieces = [piecesOf(a), piecesOf(b)];
          return {{ pieces, places: differing(...pieces).map((found) => [...found]) }};
        }};
        console.log(JSON.stringify({json.dumps(cases)}.map(told)));
    """
    command = ["node", "--input-type=module", "-"]
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def longest_common(a: list[str], b: list[str]) -> int:
    """The length of a longest common subsequence, by its definition."""

    @lru_cache(None)
    def length(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + length(i + 1, j + 1)
        return max(length(i + 1, j), length(i, j + 1))

    return length(0, 0)


def test_what_is_not_marked_is_the_longest_that_both_share() -> None:
    """The words left over are the same on both sides, and as many as there can be."""
    rng = random.Random(3)
    texts = [" ".join(rng.choices("abcd", k=rng.randrange(12))) for _ in range(120)]
    cases = [*zip(texts[::2], texts[1::2], strict=True), ("", ""), ("a  b\nc", "a b c ")]
    for (a, b), told in zip(cases, differing(cases), strict=True):
        assert ["".join(pieces) for pieces in told["pieces"]] == [a, b]
        left = [
            [word.strip() for at, word in enumerate(pieces) if at not in places]
            for pieces, places in zip(told["pieces"], told["places"], strict=True)
        ]
        assert left[0] == left[1]
        assert len(left[0]) == longest_common(a.split(), b.split())


def test_long_texts_are_compared_word_by_word_where_they_differ() -> None:
    """What long texts begin and end with alike costs nothing; long differences are of words."""
    words = [f"w{number}" for number in range(5_000)]
    changed = [*words[:2_500], "other", *words[2_501:]]
    turned = ["x", *reversed(words), "y"]
    one, other = differing(
        [(" ".join(words), " ".join(changed)), (" ".join(words), " ".join(turned))]
    )
    matcher = SequenceMatcher(None, words, changed, autojunk=False)
    assert [code[1:] for code in matcher.get_opcodes() if code[0] != "equal"] == [
        (2_500, 2_501, 2_500, 2_501)
    ]
    assert one["places"] == [[2_500], [2_500]]
    assert other["places"] == [[], [0, 5_001]]
