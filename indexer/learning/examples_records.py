"""Records of pairs, triplets, grades and clicks, in the names that other tools give their fields.

====================  =========================================================================
the query             ``query``, ``anchor``, ``question``, ``sentence1``; else ``title``
what answers it       ``positive``, ``pos``, ``answer``, ``passage``, ``sentence2``, ``text``, or a
                      list of them; or the id of a document in the collection: ``id``,
                      ``document_id``, ``doc_id``, ``corpus-id``
what does not         ``negative``, ``neg``, ``negatives``, ``negative_1`` and so on
how well it fits      ``grade``, ``label``, ``score``, ``relevant``; ``clicked`` (true, false)
====================  =========================================================================

A line of a click log that has a ``rank`` and no ``clicked`` is a click. Where pictures are learned
from, a record with a field ``image`` is one that the picture answers: its query is ``query`` or
another of that line, ``caption`` or ``captions``, ``text`` or ``title``, or a list of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from indexer.errors import Unreadable
from indexer.filters import is_encodable
from indexer.learning.examples import MOST_NEGATIVES, TEXT_CHARACTERS, Example, text_id

QUERY: Final = ("query", "anchor", "question", "sentence1")
QUERY_ID: Final = ("query_id", "query-id", "qid")
POSITIVE: Final = ("positive", "positives", "pos", "answer", "passage", "sentence2", "text")
DOCUMENT_ID: Final = ("document_id", "doc_id", "corpus-id", "corpus_id", "id", "_id")
NEGATIVE: Final = re.compile(r"neg|negatives?(?:_\d+)?")
GRADE: Final = ("grade", "label", "score", "relevance", "relevant", "clicked", "similarity")
TITLE: Final = "title"
CAPTION: Final = (*QUERY, "caption", "captions", "text", TITLE)
_TRUTHS: Final[Mapping[str, float]] = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def parse_example(values: Mapping[str, Any], place: str) -> Iterator[Example]:
    """The examples of a record, one for each text that answers.

    Where only a document's id is given, ``positive`` is empty. Raises Unreadable.
    """
    query = _query(values)
    negatives = tuple(_texts_of(values, [name for name in values if NEGATIVE.fullmatch(name)]))
    example = Example(
        query, _id(values, QUERY_ID) or text_id(query), "", _id(values, DOCUMENT_ID),
        negatives[:MOST_NEGATIVES], _grade(values), place,
    )  # fmt: skip
    answers = list(_texts_of(values, [name for name in POSITIVE if values.get(name)][:1]))
    if len(answers) > 1:
        yield from (replace(example, positive=one, positive_id=None) for one in answers)
    elif answers:
        yield replace(example, positive=answers[0])
    elif example.positive_id is not None:
        yield example
    else:
        raise Unreadable(
            f"no positive: a field {', '.join(POSITIVE)}, or a document's {DOCUMENT_ID[0]} or id"
        )


def parse_captions(values: Mapping[str, Any], place: str) -> Iterator[Example]:
    """The examples of a record with a picture, one for each caption, without the picture.

    Raises Unreadable.
    """
    names = [name for name in CAPTION if values.get(name)][:1]
    captions = list(_texts_of(values, names))
    if not captions:
        raise Unreadable(f"no caption of the picture: a field {', '.join(CAPTION[4:])} or query")
    for one in captions:
        id = _id(values, QUERY_ID) or text_id(one)
        yield Example(one, id, "", _id(values, DOCUMENT_ID), (), _grade(values), place)


def _query(values: Mapping[str, Any]) -> str:
    name = next((name for name in (*QUERY, TITLE) if values.get(name)), None)
    if name is None:
        named = ", ".join(repr(str(name)[:40]) for name in list(values)[:8])
        raise Unreadable(f"no query: a field {', '.join(QUERY)} or {TITLE}, but {named or 'none'}")
    return text_of(values[name], name)


def _texts_of(values: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    for name in names:
        given = values[name]
        for one in given if isinstance(given, list) else [given]:
            if one not in (None, ""):
                yield text_of(one, name)


def text_of(value: object, name: str) -> str:
    """The text of a field, cut to TEXT_CHARACTERS; raises Unreadable if it is none."""
    if not isinstance(value, str):
        raise Unreadable(f"the field {name!r} must be a text, got {type(value).__name__}")
    text = value[:TEXT_CHARACTERS].strip()
    if not text:
        raise Unreadable(f"the field {name!r} is empty")
    if not is_encodable(text):
        raise Unreadable(f"the field {name!r} holds a lone surrogate, which is not valid Unicode")
    return text


def _id(values: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    given = next((values[name] for name in names if values.get(name) not in (None, "")), None)
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    raise Unreadable(f"an id must be a text or a whole number, got {type(given).__name__}")


def _grade(values: Mapping[str, Any]) -> float | None:
    name = next((name for name in GRADE if values.get(name) not in (None, "")), None)
    if name is None:
        return None
    given = values[name]
    told = _TRUTHS.get(given.strip().lower()) if isinstance(given, str) else None
    try:
        grade = float(given) if told is None else told
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(f"the field {name!r} must be a number, got {str(given)[:40]!r}") from None
    if not math.isfinite(grade):
        raise Unreadable(f"the field {name!r} must be finite, got {str(given)[:40]!r}")
    return grade
