"""Where documents are cut, in words that a reader can check by eye."""

import itertools

import numpy as np
import pytest

from indexer.documents import Chunk, Document
from indexer.embedding.embedder import TextRole, Tokens
from indexer.embedding.hashing_engine import HashingTokenizer
from indexer.errors import InvalidInput
from indexer.index_choice import Chunking, CutBy
from indexer.ingestion.chunking import Heading, chunk, chunk_content, fits, heading


def tokens_of(document: Document) -> Tokens:
    """Words and marks, a token each."""
    return HashingTokenizer().tokenize([document.content], TextRole.DOCUMENT)[0]


def characters_of(document: Document) -> Tokens:
    """A token for every character, as of a language without spaces."""
    count = len(document.content)
    spans = np.stack([np.arange(count), np.arange(count) + 1], axis=1).astype(np.int32)
    return Tokens(np.zeros(count, np.int32), spans, truncated=False)


def texts(document: Document, room: int, tokens: Tokens | None = None) -> list[str]:
    """The text of each chunk."""
    tokens = tokens_of(document) if tokens is None else tokens
    return [document.text[c.start : c.end] for c in chunk(document, tokens, room)]


def test_a_document_that_fits_is_one_chunk_over_its_whole_text():
    """White space at its ends is kept: what is embedded is exactly the document's content."""
    document = Document("a", "  Two words.  ", "Title")
    assert chunk(document, tokens_of(document), 4) == (Chunk(0, 0, 14),)
    assert heading(document, tokens_of(document), 4) == Heading("Title ", 1, cut=False)


def test_a_document_one_token_too_long_is_cut():
    """The room is exact."""
    document = Document("a", "one two three four five")
    assert fits(tokens_of(document), 5)
    assert not fits(tokens_of(document), 4)
    assert texts(document, 4) == ["one two three four", "five"]


def test_an_empty_document_is_one_empty_chunk():
    """There is always a chunk, so there is always a vector."""
    assert chunk(Document("a", ""), tokens_of(Document("a", "")), 4) == (Chunk(0, 0, 0),)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a b c.\n\nd e. f g", "a b c."),
        ("a b c. d\ne f g h", "a b c."),
        ("a b c\nd e f g h", "a b c"),
        ("a b c d e.f g h", "a b c d"),
        ('a b "c!" d e f g h', 'a b "c!"'),
        ("a b c\r\n\r\nd. e f g", "a b c"),
        ("a b c\n\n\nd\n\ne f g", "a b c"),
        ("a b c\n\n\fd\n\ne f g", "a b c"),
    ],
)
def test_a_cut_is_at_the_best_pause_of_the_second_half(text, first):
    """A page's or section's end goes first, then a paragraph's, sentence's, line's, word's."""
    assert texts(Document("a", text), 6)[0] == first


def test_sentences_of_languages_without_spaces_end_at_their_own_stops():
    """An ideographic full stop ends a sentence with nothing behind it."""
    document = Document("a", "今天天气好。我们去公园。")
    assert texts(document, 8, characters_of(document)) == ["今天天气好。", "我们去公园。"]


@pytest.mark.parametrize(
    ("text", "room", "passages"),
    [
        ("ខ្ញុំញ៉ាំបាយ។ឆ្មាគេង។", 14, ["ខ្ញុំញ៉ាំបាយ។", "ឆ្មាគេង។"]),
        ("ကြောင်အိပ်။ခွေးစား။", 14, ["ကြောင်အိပ်။", "ခွေးစား။"]),
        (
            "価格は3\uff0e5だ\uff0e安いと思う\uff0e",
            9,
            ["価格は3\uff0e5だ\uff0e", "安いと思う\uff0e"],
        ),
        ("今天天气很好、我们去", 8, ["今天天气很好、", "我们去"]),
    ],
    ids=["khmer", "burmese", "a point within a number", "a comma"],
)
def test_stops_and_commas_of_scripts_without_spaces_are_pauses(text, room, passages):
    """A cut between any two characters would be allowed; at punctuation it is better."""
    document = Document("a", text)
    assert texts(document, room, characters_of(document)) == passages


def test_a_cut_keeps_an_emoji_and_a_letter_with_its_accent_whole():
    """A family of emoji is joined characters; an accent may be a character of its own."""
    family, accented = "👩‍👩‍👧", "e\u0301"
    document = Document("a", f"{family}{family} {accented}{accented}")
    for passage in texts(document, 7, characters_of(document)):
        assert passage.startswith((family, accented))
        assert passage.endswith((family, accented))


def test_a_chunk_repeats_the_last_sentence_of_the_one_before_if_it_is_short():
    """The overlap is at most a tenth of the room, and begins at a sentence."""
    sentences = " ".join(f"This is sentence number {i}." for i in range(40))
    document = Document("a", sentences)
    passages = texts(document, 60)
    assert all(passage.startswith("This is") for passage in passages)
    for before, after in itertools.pairwise(passages):
        assert before.endswith(after[: after.index(".") + 1])


def test_nothing_is_repeated_after_a_paragraph():
    """What comes after a blank line is a new thought."""
    assert texts(Document("a", "a b c d. e f.\n\ng h i j k."), 12) == [
        "a b c d. e f.",
        "g h i j k.",
    ]


def test_every_chunk_stands_under_the_title():
    """The title is counted, so that title and text fit the room together."""
    document = Document("a", "one two three four five six seven", "The title")
    tokens = tokens_of(document)
    top = heading(document, tokens, 6)
    contents = [chunk_content(document, one, top) for one in chunk(document, tokens, 6)]
    assert contents == ["The title one two three four", "The title five six seven"]


def test_a_long_title_is_cut_at_a_word_and_leaves_most_of_the_room():
    """A title may take a third of the room."""
    document = Document("a", "one two three", "long " * 100)
    assert heading(document, tokens_of(document), 9) == Heading("long long long ", 3, cut=True)
    assert texts(document, 9) == ["one two three"]


def test_a_long_title_without_text_is_one_chunk():
    """Nothing of it is passed over in silence: the heading says that it is cut."""
    document = Document("a", "", "word " * 50)
    assert chunk(document, tokens_of(document), 9) == (Chunk(0, 0, 0),)
    assert heading(document, tokens_of(document), 9).cut


def test_a_text_of_white_space_that_does_not_fit_is_one_empty_chunk():
    """There is nothing in it to be found."""
    document = Document("a", "\n" * 100)
    assert chunk(document, characters_of(document), 9) == (Chunk(0, 0, 0),)


def test_characters_that_a_tokenizer_drops_are_in_the_chunk_before_them():
    """Offsets go over the text, not over the tokens."""
    spans = np.array([[0, 1], [2, 3], [6, 7], [8, 9]], np.int32)
    tokens = Tokens(np.zeros(4, np.int32), spans, truncated=False)
    document = Document("a", "a b \x00 c d \x00")
    assert texts(document, 2, tokens) == ["a b \x00", "c d \x00"]


PAGED = "One two three.\fFour five.\n\n\nHead\n\nSix seven eight nine.\f\fTen."


def parts(document: Document, room: int, **how: object) -> list[str]:
    """The text of each chunk, cut as a collection has chosen."""
    chunks = chunk(document, tokens_of(document), room, Chunking(**how))
    return [document.text[c.start : c.end] for c in chunks]


def test_each_page_is_a_chunk_of_its_own():
    """Of a document that would fit, too; an empty page is none."""
    expected = [page.strip() for page in PAGED.split("\f") if page.strip()]
    assert parts(Document("a", PAGED), 100, by=CutBy.PAGES) == expected
    assert parts(Document("a", "One page."), 100, by=CutBy.PAGES) == ["One page."]


def test_each_section_is_a_chunk_of_its_own():
    """It goes on over the end of a page, unless a heading opens the next."""
    document = Document("a", PAGED, metadata={"headings": ["Head"]})
    section = "Head\n\nSix seven eight nine.\f\fTen."
    assert parts(document, 100, by=CutBy.HEADINGS) == ["One two three.\fFour five.", section]
    opening = Document("a", "One.\fTwo\nThree.", metadata={"headings": ["Top > Two"]})
    assert parts(opening, 100, by=CutBy.HEADINGS) == ["One.", "Two\nThree."]


def test_a_page_that_does_not_fit_is_cut_within():
    """No chunk has more than a page, or more tokens than were asked for."""
    document = Document("a", "word " * 30 + "\f" + "end " * 5)
    found = parts(document, 12, by=CutBy.PAGES, overlap=0)
    assert [one.split() for one in found] == [
        ["word"] * 12,
        ["word"] * 12,
        ["word"] * 6,
        ["end"] * 5,
    ]


def test_sentences_stay_whole():
    """As many as fit; a sentence that does not fit is cut at a pause."""
    sentences = [f"This is sentence number {n} ." for n in range(9)]
    document = Document("a", " ".join(sentences))
    found = parts(document, 13, by=CutBy.SENTENCES, overlap=0)
    assert found == [" ".join(sentences[n : n + 2]) for n in range(0, 9, 2)]
    long = Document("a", "One two. " + "word " * 20 + ". Last one.")
    assert parts(long, 8, by=CutBy.SENTENCES, overlap=0)[0] == "One two."


def test_as_much_is_repeated_as_was_asked_for():
    """Whole sentences of it, where those are what is cut."""
    words = [f"w{n}" for n in range(40)]
    document = Document("a", " ".join(words))
    plain = [one.split() for one in parts(document, 10, overlap=4)]
    assert all(b[:4] == a[-4:] for a, b in itertools.pairwise(plain))
    none = [one.split() for one in parts(document, 10, overlap=0)]
    assert list(itertools.chain(*none)) == words
    sentences = [f"This is sentence number {n} ." for n in range(9)]
    found = parts(Document("a", " ".join(sentences)), 18, by=CutBy.SENTENCES, overlap=8)
    assert found == [" ".join(sentences[n : n + 3]) for n in (0, 2, 4, 6)]


@pytest.mark.parametrize("by", list(CutBy))
def test_nothing_but_white_space_is_left_out_however_it_is_cut(by):
    """Chunks follow each other, and cover each character that says something."""
    document = Document("a", PAGED * 7 + "x y z " * 50, metadata={"headings": ["Head"]})
    for room in (5, 17, 1_000):
        chunks = chunk(document, tokens_of(document), room, Chunking(by=by))
        covered = set().union(*(range(c.start, c.end) for c in chunks))
        assert all(n in covered or c.isspace() for n, c in enumerate(document.text))
        assert [c.start for c in chunks] == sorted(c.start for c in chunks)


@pytest.mark.parametrize(
    "given", [{"size": 15}, {"size": 100, "overlap": 51}, {"overlap": -1}, {"size": 0}]
)
def test_chunks_that_cannot_be_are_refused(given):
    """With what is allowed."""
    with pytest.raises(InvalidInput, match="chunk"):
        Chunking(**given)
