"""The words that the terminal marks in a hit."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from indexer.cli.output import answer_table
from indexer.documents import Document
from indexer.index_choice import Language
from indexer.queries import Answer, Hit, Mode, Passage, Query

GREEN = "\x1b[32m"


@pytest.mark.parametrize("width", [30, 100])
def test_words_of_the_query_are_green(width: int) -> None:
    """Those that a search by words finds, in any script, and no part of another word."""
    text = "foxes 学习向量检索 get_User of foxy"
    hit = Hit(Document("a", text), 0.5, Passage(text, 0, len(text)))
    answer = Answer((hit,), Mode.DENSE, exact=True)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="standard", width=width)
    console.print(answer_table(Query(text="the fox of a user 向量"), answer, Language.ENGLISH))
    marked = [part.split("\x1b")[0] for part in file.getvalue().split(GREEN)[1:]]
    assert marked == ["foxes", "向量", "User"]
