"""The nouns: what a document and a query may hold, and how vectors become units."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from indexer.documents import (
    MAX_ID_BYTES,
    MAX_KEY_CHARACTERS,
    MAX_KEYS,
    MAX_METADATA_BYTES,
    UNIT_TOLERANCE,
    Chunk,
    Document,
    EmbeddedDocument,
    check_unit,
    encode_metadata,
    normalise,
)
from indexer.errors import InvalidDocument, InvalidInput, InvalidQuery, InvalidVector
from indexer.queries import Hit, Mode, Passage, Query, ScoreBreakdown


class TestDocument:
    """A document is checked when it is made."""

    def test_the_title_stands_in_front_of_the_text(self) -> None:
        """What is embedded is title, space, text; without a title the text alone."""
        assert Document("1", "Text.", title="Title").content == "Title Text."
        assert Document("1", "Text.").content == "Text."
        assert Document("1", "Text.", title="").content == "Text."

    @pytest.mark.parametrize("id", ["a", "ü" * (MAX_ID_BYTES // 2), "a b/c:1#?", "🧭", " "])
    def test_ids_of_printable_unicode_are_taken(self, id: str) -> None:
        """An id is any string without control characters, up to its bound in bytes."""
        assert Document(id, "").id == id

    @pytest.mark.parametrize(
        ("id", "message"),
        [
            ("", "non-empty string, got ''"),
            (None, "non-empty string, got None"),
            (7, "non-empty string, got 7"),
            ("a" * (MAX_ID_BYTES + 1), f"at most {MAX_ID_BYTES} bytes"),
            ("ü" * (MAX_ID_BYTES // 2 + 1), f"at most {MAX_ID_BYTES} bytes"),
            ("a\ud800", "valid Unicode"),
            ("a\nb", "control characters"),
            ("a\x00", "control characters"),
            ("\x7f", "control characters"),
        ],
    )
    def test_other_ids_are_refused(self, id: Any, message: str) -> None:
        """The message says what an id must be, and shows little of a long one."""
        with pytest.raises(InvalidDocument, match=message) as caught:
            Document(id, "")
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize(
        ("text", "title", "message"),
        [
            ("\ud800", None, "text holds a lone surrogate"),
            ("", "\udfff", "title holds a lone surrogate"),
            (None, None, "text must be a string"),
            (b"bytes", None, "text must be a string"),
            ("", 7, "title must be a string"),
            ("", 0, "title must be a string"),
            ("", [], "title must be a string"),
        ],
    )
    def test_text_and_title_are_strings_of_valid_unicode(
        self, text: Any, title: Any, message: str
    ) -> None:
        """Other types and lone surrogates are refused, with the document's id."""
        with pytest.raises(InvalidDocument, match=f"document 'd': {message}"):
            Document("d", text, title=title)

    def test_an_error_is_also_a_value_error(self) -> None:
        """Callers that know Python's exceptions alone can catch it."""
        with pytest.raises(ValueError, match="non-empty"):
            Document("", "")
        assert issubclass(InvalidDocument, InvalidInput)


class TestMetadata:
    """A flat JSON object of bounded size."""

    def test_scalars_and_lists_of_them_are_taken(self) -> None:
        """Strings, numbers, booleans, nulls and lists of them are metadata."""
        held = {
            "s": "x",
            "i": -(2**63),
            "f": 0.5,
            "b": True,
            "n": None,
            "l": [1, "a", None],
            "e": [],
        }
        assert Document("1", "", metadata=held).metadata == held

    @pytest.mark.parametrize(
        ("metadata", "message"),
        [
            ([], "metadata must be an object"),
            ({"a": {}}, "'a': a value must be a string, number, boolean, null or a list"),
            ({"a": [[1]]}, "'a': a value must be .* got list"),
            ({"a": b""}, "'a': a value must be .* got bytes"),
            ({"a": math.nan}, "'a': nan is not a finite number"),
            ({"a": [0, -math.inf]}, "'a': -inf is not a finite number"),
            ({"a": 2**63}, "'a': the integer does not fit 64 bits"),
            ({"a": "\ud800"}, "'a': the string holds a lone surrogate"),
            ({"": 1}, "a metadata key must be a string of 1 to"),
            ({7: 1}, "a metadata key must be a string of 1 to"),
            ({"k" * (MAX_KEY_CHARACTERS + 1): 1}, "a metadata key must be a string of 1 to"),
            ({"$a": 1}, "must be valid Unicode and not start with"),
            ({"\ud800": 1}, "must be valid Unicode and not start with"),
            ({str(i): i for i in range(MAX_KEYS + 1)}, f"more than {MAX_KEYS} keys"),
            ({"a": "x" * MAX_METADATA_BYTES}, f"at most {MAX_METADATA_BYTES}"),
        ],
    )
    def test_anything_else_is_refused(self, metadata: Any, message: str) -> None:
        """The message names the document, the key and what is allowed."""
        with pytest.raises(InvalidDocument, match=f"document 'd': .*{message}") as caught:
            Document("d", "", metadata=metadata)
        assert len(str(caught.value)) < 400

    def test_bounds_are_inclusive(self) -> None:
        """As many keys, characters and bytes as allowed are taken."""
        Document("1", "", metadata={str(i): i for i in range(MAX_KEYS)})
        Document("1", "", metadata={"k" * MAX_KEY_CHARACTERS: 1})
        frame = len(encode_metadata({"a": ""}).encode())
        Document("1", "", metadata={"a": "ü" * ((MAX_METADATA_BYTES - frame) // 2)})

    @given(
        st.dictionaries(
            st.text(min_size=1),
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**63 - 1)
            | st.text()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.lists(st.text(), max_size=3),
        )
    )
    @settings(deadline=None)
    def test_the_encoding_is_canonical(self, metadata: dict[str, Any]) -> None:
        """Metadata comes back from its encoding, and the order of keys leaves no trace."""
        encoded = encode_metadata(metadata)
        assert json.loads(encoded) == metadata
        assert encode_metadata(dict(reversed(metadata.items()))) == encoded


class TestContentHash:
    """A hash that tells whether a document must be embedded again."""

    def test_metadata_and_id_do_not_change_it(self) -> None:
        """Only title and text count."""
        assert Document("1", "x", metadata={"a": 1}).content_hash == Document("2", "x").content_hash

    def test_the_border_of_title_and_text_counts(self) -> None:
        """Moving words from title to text changes it, though the whole may read the same."""
        pairs = [("a b", "c"), ("a", "b c"), ("", "a b c"), ("a b c", ""), ("a", " b c")]
        hashes = {Document("1", text, title=title).content_hash for title, text in pairs}
        assert len(hashes) == len(pairs)
        assert {len(digest) for digest in hashes} == {16}


class TestEmbeddedDocument:
    """A document with a vector for each of its chunks."""

    @pytest.mark.parametrize(("chunks", "vectors"), [(0, 0), (1, 2), (2, 1)])
    def test_chunks_and_vectors_go_in_pairs(self, chunks: int, vectors: int) -> None:
        """At least one chunk, and as many vectors."""
        with pytest.raises(InvalidDocument, match=f"{chunks} chunks but {vectors} vectors"):
            EmbeddedDocument(
                Document("1", "abc"),
                tuple(Chunk(i, i, i + 1) for i in range(chunks)),
                np.ones((vectors, 1), dtype=np.float32),
            )


class TestQuery:
    """A search that contradicts itself is refused."""

    @pytest.mark.parametrize(
        "given",
        [
            {"text": "x"},
            {"text": ""},
            {"vector": np.ones(2, dtype=np.float32)},
            {"text": "x", "vector": np.ones(2, dtype=np.float32)},
            {"like": ("a",)},
            {"like": ("a",), "unlike": ("b",)},
            {"text": "x", "mode": Mode.LEXICAL},
            {"text": "x", "mode": Mode.HYBRID, "k": 1, "min_score": -1.0, "temperature": 1e-9},
        ],
    )
    def test_one_way_to_ask_is_taken(self, given: dict[str, Any]) -> None:
        """A text (with its vector or not), a vector, or examples."""
        assert Query(**given).k >= 1

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, "give one of: a text"),
            ({"text": "x", "like": ("a",)}, "give one of: a text"),
            ({"vector": np.ones(2), "unlike": ("a",)}, "give one of: a text"),
            ({"text": "x", "k": 0}, "k must be at least 1, got 0"),
            ({"text": "x", "k": -5}, "k must be at least 1, got -5"),
            ({"text": "x", "temperature": 0.0}, "temperature must be above 0"),
            ({"text": "x", "temperature": math.nan}, "temperature must be above 0"),
            ({"text": "x", "temperature": math.inf}, "temperature must be above 0"),
            ({"text": "x", "min_score": math.nan}, "min_score must be finite"),
            ({"text": "x", "candidates": 0}, "candidates must be at least 1"),
            ({"text": "\ud800"}, "lone surrogate"),
            ({"vector": np.ones(2), "mode": Mode.LEXICAL}, "mode lexical needs a text"),
            ({"like": ("a",), "mode": Mode.HYBRID}, "mode hybrid needs a text"),
        ],
    )
    def test_contradictions_are_refused(self, given: dict[str, Any], message: str) -> None:
        """The message says what was given and what is allowed."""
        with pytest.raises(InvalidQuery, match=message):
            Query(**given)


def test_distance_is_one_less_cosine() -> None:
    """A hit's distance is in [0, 2] as its cosine is in [-1, 1], whatever it is ordered by."""
    document, passage = Document("1", "x"), Passage("x", 0, 1)
    hits = [
        Hit(document, 7.0, passage, scores=ScoreBreakdown(dense=one)) for one in (1.0, 0.0, -1.0)
    ]
    assert [hit.distance for hit in hits] == [0, 1, 2]


def test_without_a_cosine_there_is_no_distance() -> None:
    """A hit that was found by its words alone says nothing of a direction."""
    hit = Hit(Document("1", "x"), 7.0, Passage("x", 0, 1), scores=ScoreBreakdown(lexical=7.0))
    assert hit.distance is None


class TestNormalise:
    """Rows scaled to unit length."""

    @given(
        hnp.arrays(
            np.float64, (3, 4), elements=st.floats(allow_nan=False, allow_infinity=False)
        ).filter(lambda rows: rows.any(axis=1).all())
    )
    @settings(deadline=None)
    def test_every_finite_row_but_zero_becomes_a_unit(self, rows: Any) -> None:
        """However long or short, a row keeps its direction and passes check_unit."""
        unit = normalise(rows)
        assert unit.dtype == np.float32
        check_unit(unit, ["a", "b", "c"])
        for row, found in zip(rows, unit, strict=True):
            scaled = [value / max(map(abs, row)) for value in row]
            length = math.hypot(*scaled)
            np.testing.assert_allclose(found, [v / length for v in scaled], atol=1e-7)

    def test_half_precision_does_not_overflow(self) -> None:
        """Vectors of a half-precision model are normalised in float64."""
        rows = np.full((1, 4), 60_000, dtype=np.float16)
        np.testing.assert_allclose(normalise(rows), np.full((1, 4), 0.5))

    def test_a_row_becomes_the_same_beside_any_other(self) -> None:
        """Bit by bit, even beside one that is far too long."""
        rows = np.random.default_rng(1).normal(size=(200, 33))
        beside = normalise(np.concatenate([rows, np.full((1, 33), 1e300)]))
        np.testing.assert_array_equal(
            beside[:-1], np.concatenate([normalise(r[None]) for r in rows])
        )

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ([0.0, -0.0], "query 1 is zero"),
            ([math.nan, 1.0], "query 1 is not finite"),
            ([math.inf, 1.0], "query 1 is not finite"),
            ([1.0, -math.inf], "query 1 is not finite"),
        ],
    )
    def test_rows_without_a_direction_are_named(self, bad: list[float], message: str) -> None:
        """Zero, NaN and infinity are refused with their index."""
        with pytest.raises(InvalidVector, match=message):
            normalise(np.array([[1.0, 2.0], bad, [3.0, 4.0]]), "query")

    def test_no_rows_stay_none(self) -> None:
        """An empty batch is an empty batch."""
        assert normalise(np.empty((0, 3))).shape == (0, 3)


class TestCheckUnit:
    """The last look before vectors are stored."""

    @pytest.mark.parametrize("length", [1 - UNIT_TOLERANCE / 2, 1.0, 1 + UNIT_TOLERANCE / 2])
    def test_unit_rows_pass(self, length: float) -> None:
        """Rounding is forgiven."""
        check_unit(np.array([[length, 0.0]], dtype=np.float32), ["a"])

    @pytest.mark.parametrize("first", [0.0, 0.99, 1.01, -2.0, math.nan, math.inf, 3e38])
    def test_other_rows_are_refused_by_id(self, first: float) -> None:
        """Any other length, and numbers that are not finite, are refused with their id."""
        vectors = np.array([[1.0, 0.0], [first, 0.0]], dtype=np.float32)
        with pytest.raises(InvalidVector, match=r"vector of 'b' has length .*, not 1"):
            check_unit(vectors, ["a", "b"])
