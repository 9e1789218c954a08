"""What holds of chunks whatever the text, the title and the tokenizer."""

import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.documents import Document
from indexer.embedding.embedder import Tokens
from indexer.ingestion.chunking import TITLE_SHARE, chunk, chunk_content, fits, heading

TOKENIZERS = {
    "words": re.compile(r"\w+|[^\w\s]"),
    "characters": re.compile(r".", re.DOTALL),
    "pieces": re.compile(r"\s?\w{1,3}|\s?[^\w\s]|\s+"),
    "letters only": re.compile(r"[a-z]+"),
}

AWKWARD = list("ab. \n\t。\uff01\u0301\u200d👩-")
texts = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(codec="utf-8")), max_size=300)


def tokenize(name: str, text: str) -> Tokens:
    """Tokens by a pattern."""
    spans = [piece.span() for piece in TOKENIZERS[name].finditer(text)]
    return Tokens(
        np.zeros(len(spans), np.int32), np.array(spans, np.int32).reshape(-1, 2), truncated=False
    )


@given(
    text=texts,
    title=st.none() | texts,
    room=st.integers(1, 40),
    tokenizer=st.sampled_from(sorted(TOKENIZERS)),
)
@example(text="a" * 300, title="b" * 300, room=1, tokenizer="characters")
@example(text="\u0301" * 300, title=None, room=7, tokenizer="characters")
@example(text=".\n" * 150, title="a", room=10, tokenizer="pieces")
def test_chunks_are_in_order_fit_the_room_and_cover_the_text(text, title, room, tokenizer):
    """Every character but white space is in a chunk, and no chunk has more tokens than fit."""
    document = Document("a", text, title)
    tokens = tokenize(tokenizer, document.content)
    chunks = chunk(document, tokens, room)
    top = heading(document, tokens, room)

    assert [one.position for one in chunks] == list(range(len(chunks)))
    starts, ends = [one.start for one in chunks], [one.end for one in chunks]
    assert starts == sorted(set(starts)) and ends == sorted(set(ends))
    assert all(0 <= one.start <= one.end <= len(text) for one in chunks)
    covered = {place for one in chunks for place in range(one.start, one.end)}
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)

    if fits(tokens, room):
        assert chunk_content(document, chunks[0], top) == document.content
        return
    assert top.tokens <= room // TITLE_SHARE
    assert document.prefix.startswith(top.text.rstrip())
    offset = len(document.prefix)
    for one in chunks:
        inside = [
            span
            for span in tokens.spans
            if span[1] > one.start + offset and span[0] < one.end + offset and span[1] > offset
        ]
        assert len(inside) <= max(1, room - top.tokens)
