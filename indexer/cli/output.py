"""Answers as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from indexer.cli.messages import printable
from indexer.facets import Facets
from indexer.index_choice import Language
from indexer.layout import ByWidth
from indexer.lexical.marking import Marker
from indexer.queries import Answer, Explanation, Fusion, Grade, Hit, Mode, Query
from indexer.ranking.significance import SIGNIFICANT

BAR_WIDTH: Final = 10
LEAST_COLUMNS: Final = 60
"""The least width of a terminal, in columns, for a score with its text beside it."""

PASSAGE_CHARACTERS: Final = 240
FURTHER_CHARACTERS: Final = 120
"""The length of a passage that is shown, and of one that is not the hit's best."""

WORDS_SHOWN: Final = 5
LEAST_SHARE: Final = 0.001
"""Smaller shares of unrelated questions are extrapolated, and not worth telling apart."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_GRADE_STYLES: Final = {Grade.STRONG: "green", Grade.FAIR: "", Grade.WEAK: "dim"}


def facets_table(facets: Facets) -> RenderableType:
    """A line for each field: its most common values, with their numbers of documents."""
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold", ratio=1)
    for one in facets.fields:
        told = [f"{printable(str(each.value))} {each.documents:,}" for each in one.values]
        others = one.distinct - len(one.values)
        told += [f"{others:,} other values"] if others else []
        table.add_row(printable(one.field), ", ".join(told) or "no value")
    return Padding(table, (0, 0, 1, 0))


def answer_table(query: Query, answer: Answer, language: Language) -> RenderableType:
    """The hits with their scores as bars, and their best passages with the query's words marked.

    Groups have their value above them.
    """
    marker = Marker(language, query.text or "")
    hits = ByWidth(_columns(query, answer, marker), _stack(query, answer, marker), LEAST_COLUMNS)
    if answer.significance is None:
        return hits
    return Group(hits, Text(significance_line(answer.significance), style="dim"))


def significance_line(significance: float) -> str:
    """The meaning of an answer's significance, in a sentence."""
    share = f"{100 * significance:.2g}" if significance >= LEAST_SHARE else "fewer than 0.1"
    found = "something here" if significance < SIGNIFICANT else "perhaps nothing here"
    return f"{found} is about this: {share} % of unrelated questions find as much"


def _columns(query: Query, answer: Answer, marker: Marker) -> Table:
    """The hits as rows: place, score, text."""
    table = Table(box=None, padding=(0, 1, 1, 0), show_header=False)
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for rank, hit, opened in _ranked(query, answer):
        if opened is not None:
            table.add_row("", "", opened)
        score = Text("\n").join([_score(query, answer, hit), *_chances(hit)])
        table.add_row(str(rank), score, _hit_cell(hit, marker))
    return table


def _stack(query: Query, answer: Answer, marker: Marker) -> Group:
    """The hits below each other, each with its score in a line above its text."""
    parts: list[RenderableType] = []
    for rank, hit, opened in _ranked(query, answer):
        if opened is not None:
            parts.append(opened)
        parts.append(Text.assemble((f"{rank} ", "dim"), _score(query, answer, hit)))
        cell = Text("\n").join([*_chances(hit), _hit_cell(hit, marker)])
        cell.overflow = "fold"
        parts.append(Padding(cell, (0, 0, 1, 2)))
    return Group(*parts)


def _ranked(query: Query, answer: Answer) -> Iterator[tuple[int, Hit, Text | None]]:
    """Each hit with its place, and the value of the group it opens."""
    before: tuple[str, object] | None = None
    for rank, hit in enumerate(answer.hits, start=1):
        group = (str(type(hit.group)), hit.group)
        opens = query.group_by is not None and hit.group is not None and group != before
        before = group
        named = printable(f"{query.group_by}: {hit.group}")
        yield rank, hit, Text(named, style="bold underline") if opens else None


def _score(query: Query, answer: Answer, hit: Hit) -> Text:
    """A bar, full at 1 for cosines and what reads like them, else at the highest score."""
    alike = answer.mode is Mode.HYBRID and query.fusion is Fusion.CONVEX
    cosines = (answer.mode is Mode.DENSE or alike) and query.rerank is None
    scale = 1.0 if cosines else max(one.score for one in answer.hits)
    return Text(f"{score_bar(hit.score / (scale or 1.0))} {hit.score:6.4f}")


def _chances(hit: Hit) -> Iterator[Text]:
    if hit.grade is not None:
        yield Text(str(hit.grade), style=_GRADE_STYLES[hit.grade])
    for name in ("relevance", "probability"):
        value = getattr(hit, name)
        if value is not None:
            yield Text(f"{name:<12} {value:.2g}", style="dim")


def score_bar(share: float, width: int = BAR_WIDTH) -> str:
    """A bar of ``width`` characters, full at a share of 1 and empty at 0 and below."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def _hit_cell(hit: Hit, marker: Marker) -> Text:
    document = hit.document
    cell = Text(printable(document.title or document.id), style="bold")
    if document.title:
        cell.append(f"  {document.id}", style="dim not bold")
    passage = " ".join(hit.passage.text.split())
    if len(passage) > PASSAGE_CHARACTERS:
        passage = passage[: PASSAGE_CHARACTERS - 1].rstrip() + "…"
    body = Text(printable(passage), style="not bold")
    for start, end in marker.spans(body.plain):
        body.stylize("green", start, end)
    if passage:
        cell.append("\n").append(body)
    if hit.passage.place:
        cell.append(f"\n{printable(hit.passage.place)}", style="dim not bold")
    if hit.unknown:
        cell.append("\nthe model knows no word of it", style="dim not bold")
    if hit.explanation is not None and hit.explanation.words:
        cell.append("\n").append(printable(_words_line(hit.explanation)), style="dim not bold")
    if hit.explanation is not None and hit.explanation.terms:
        cell.append("\n").append(printable(_terms_line(hit.explanation)), style="dim not bold")
    for line in _further_passages(hit):
        cell.append("\n").append(printable(line), style="dim not bold")
    return cell


def _further_passages(hit: Hit) -> Iterator[str]:
    """The document's next best passages, each with its cosine and its place in the file."""
    for one in hit.explanation.passages if hit.explanation is not None else ():
        if one.passage.start == hit.passage.start:
            continue
        text = " ".join(one.passage.text.split())
        if len(text) > FURTHER_CHARACTERS:
            text = text[: FURTHER_CHARACTERS - 1].rstrip() + "…"
        told = [] if one.score is None else [f"{one.score:.4f}"]
        told += [one.passage.place] if one.passage.place else []
        yield f"also {', '.join(told)}: {text}"


def _words_line(explanation: Explanation) -> str:
    """The words that carry a hit, with their effects and the rest: together, its cosine."""
    shown, others = explanation.words[:WORDS_SHOWN], explanation.words[WORDS_SHOWN:]
    told = [f"{word.text} {word.effect:+.3f}" for word in shown]
    if explanation.rest is not None:
        told.append(f"the rest {explanation.rest + sum(word.effect for word in others):+.3f}")
    return f"the score hangs on: {', '.join(told)}"


def _terms_line(explanation: Explanation) -> str:
    """The words that a hit shares with the query, with their parts of the BM25 score."""
    told = [f"{term.text} {term.score:.2f}" for term in explanation.terms[:WORDS_SHOWN]]
    return f"it shares the words: {', '.join(told)}"


def matrix_table(
    name: str, rows: Sequence[Sequence[float]], a: list[str], b: list[str]
) -> RenderableType:
    """A matrix with its texts, shortened, at both sides; on a narrow terminal, a line a cell."""
    return ByWidth(_matrix(name, rows, a, b), _cells(name, rows, a, b))


def _matrix(name: str, rows: Sequence[Sequence[float]], a: list[str], b: list[str]) -> Table:
    table = Table(title=name, title_justify="left")
    table.add_column()
    for text in b:
        table.add_column(_short(text), justify="right")
    for text, row in zip(a, rows, strict=True):
        table.add_row(_short(text), *(f"{value:.4f}" for value in row))
    return table


def _cells(name: str, rows: Sequence[Sequence[float]], a: list[str], b: list[str]) -> Group:
    lines = [Text(name, style="italic")]
    for text, row in zip(a, rows, strict=True):
        lines.append(Text(_short(text), style="bold"))
        lines += [
            Text(f"{value:9.4f} {_short(other)}") for other, value in zip(b, row, strict=True)
        ]
    return Group(*lines)


def _short(text: str, width: int = 24) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"
