"""The page marks the words that the service found a document by."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from indexer.collection.matched_terms import matching_terms
from indexer.documents import Document
from indexer.engine import Key
from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.memory.lexical import EMPTY, MemoryLexical, Words

WEB = Path(__file__).parents[2] / "app" / "web"
CASES = [
    ("学习向量检索 of vectors", "向量"),
    ("図書館と図書の館", "図書館"),
    ("getUserName gets the user's name", "user"),
    ("snake_case and snakeCase", "snakecase"),
    ("mRNA and a phone, an iPhone", "iphone"),
    ("co\u00adoperate foo\u200bbar", "cooperate foobar"),
    ("เที่ยวที่บ้าน น้ำตก", "ที น้ำ"),
    ("ភ្លើងនិងទឹក ကျောင်းသား", "ទឹក ကျောင်း"),
    ("학교에서 학교가", "학교는"),
    ("नमस्ते दुनिया", "दुनिया"),
    ("ｶﾞｿﾘﾝ サーバー", "ガソリン"),
    ("الْكِتَابُ جديد", "الكتاب"),
    ("İSTANBUL naïve ΟΔΟΣ 😀 straße", "istanbul naive οδος strasse"),
    ("con-\nsider, con\u00ad\nsider", "consider"),
    ("nothing of it", "else"),
]

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def marked_by_the_page(cases: list[tuple[str, str]]) -> list[list[str]]:
    """What the page marks in each text for each query, spaces left out."""
    program = f"""
        import {{ keysOf, spansOf }} from {json.dumps((WEB / "words.js").as_uri())};
        const marks = ([text, query]) =>
          spansOf(text, keysOf(query)).map(([start, end]) => text.slice(start, end));
        console.log(JSON.stringify({json.dumps(cases)}.map(marks)));
    """
    command = ["node", "--input-type=module", "-e", program]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return [["".join(one.split()) for one in marks] for marks in json.loads(told.stdout)]


def found_by_the_service(text: str, query: str) -> list[str]:
    """The words in common as they stand, those that touch as one, spaces left out."""
    analyzer = Analyzer(Language.ENGLISH)
    words = {Key(0): Words.of(analyzer, text), Key(1): Words.of(analyzer, "other")}
    lexical = MemoryLexical(analyzer, EMPTY.changed({}, words), {Key(0): "a", Key(1): "b"})
    terms = matching_terms(lexical, lexical.asked(query), Document("a", text))
    covered: list[list[int]] = []
    for start, end in sorted(span for term in terms for span in term.spans):
        if covered and not text[covered[-1][1] : start].strip():
            covered[-1][1] = max(covered[-1][1], end)
        else:
            covered.append([start, end])
    return ["".join(text[start:end].split()) for start, end in covered]


def test_the_page_marks_what_the_service_found() -> None:
    """Rows of characters, parts of names, words with what is not seen in them, folded letters."""
    expected = [found_by_the_service(text, query) for text, query in CASES]
    assert sum(map(bool, expected)) == len(CASES) - 1
    assert marked_by_the_page(CASES) == expected
