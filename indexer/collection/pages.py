"""Pages of a collection's documents in an order, and the cursors between them."""

from __future__ import annotations

from dataclasses import replace

from indexer.documents import Page
from indexer.engine import EngineState, Key
from indexer.errors import InvalidInput
from indexer.facets import Count
from indexer.filters import Filter, fields_of
from indexer.ordering import ADDED, Order


def page_of(
    state: EngineState, condition: Filter | None, cursor: str | None, limit: int, order: Order
) -> Page:
    """The next documents that pass a filter; raises InvalidInput for a cursor of another order.

    In insertion order a cursor is the last document's key; else it holds its place, so that pages
    go on from there whatever was added, changed or deleted meanwhile.
    """
    if order == ADDED:
        found = state.page(condition, _parse_cursor(cursor), limit + 1)
    else:
        after = None if cursor is None else order.decode(cursor)
        found = state.ordered(condition, order, after, limit + 1)
    documents = tuple(document for _, document in found[:limit])
    if not 0 < limit < len(found):
        return Page(documents, None)
    key, last = found[limit - 1]
    following = str(key) if order == ADDED else order.encode(order.place_of(last.metadata, key))
    return Page(documents, following)


def with_counts(
    state: EngineState, page: Page, condition: Filter | None, order: Order, count: Count
) -> Page:
    """The page with the total and the facets of all pages, and the fields that no document has."""
    named = fields_of(condition).union(count.fields)
    if order.field is not None:
        named |= {order.field}
    unknown = named - state.known_fields(named) if named and state.counts.documents else set()
    scope = state.scope(condition)
    facets = state.count_values(count.fields, scope, count.values) if count.fields else ()
    return replace(page, total=scope.total, unknown_fields=tuple(sorted(unknown)), facets=facets)


def _parse_cursor(cursor: str | None) -> Key:
    if cursor is None:
        return Key(0)
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInput(f"cursor {cursor[:40]!r} is not one that a page gave")
    return Key(int(cursor))
