"""Where the words of a text stand."""

from __future__ import annotations

import pytest

from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.lexical.pieces import pieces

TEXTS = [
    "Running cats, naïve Straßen: C++ and 3.14!",
    "getUserName calls get_user_name, HTTPServer and mRNA; __init__",
    "con-\nsiderably co\u00adoperate foo\u200bbar con\u00ad\nsider",
    "東京に住む hello世界 ｶﾞｿﾘﾝ サーバー",
    "학교에서 물을",
    "เที่ยวที่บ้าน น้ำตก ๒๕๖๗",
    "ភ្លើង ကျောင်း ແມ່ນ້ຳ",
    "नमस्ते दुनिया",
    "الْكِتَابُ العـــربية",
    "می\u200cخواهم",  # noqa: RUF001
    "İSTANBUL ΟΔΟΣ ὁδός",
    "",
    "😀 ... \x00",
]


def where(text: str) -> list[tuple[str, str]]:
    """The pieces of a text, by what they are taken for and as they stand."""
    return [(spelled, text[start:end]) for spelled, start, end in pieces(text)]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_every_word_of_a_text_stands_somewhere(text: str) -> None:
    """The words of the pieces are those of the whole text, none more and none less."""
    analyzer = Analyzer(Language.NONE)
    found = [max(analyzer.asked(one.spelled), key=len, default="") for one in pieces(text)]
    assert sorted(filter(None, found)) == sorted(analyzer.words(text))


def test_parts_of_a_name_stand_by_themselves() -> None:
    """A part where it is, the whole over all of them."""
    assert where("a getUser_Name") == [
        ("a", "a"),
        ("get", "get"),
        ("User", "User"),
        ("Name", "Name"),
        ("getusername", "getUser_Name"),
    ]


def test_characters_keep_what_stands_on_them() -> None:
    """Half of what is seen as one character is not told as a place."""
    assert ("ที", "ที่") in where("ที่นี่")
    assert ("ガ", "ｶﾞ") in where("ｶﾞｿﾘﾝ")


def test_a_hyphen_at_the_end_of_a_line() -> None:
    """The whole stands over both lines, each part on its own."""
    assert where("con-\nSider") == [
        ("consider", "con-\nSider"),
        ("con", "con"),
        ("Sider", "Sider"),
    ]
