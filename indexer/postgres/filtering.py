"""Filters as SQL: conditions on the number of a document, which are never NULL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from indexer.filters import (
    COMPLEMENTS,
    ORDERS,
    Condition,
    Every,
    Filter,
    Kind,
    Not,
    Operator,
    Pictured,
    Some,
    kind_of,
)
from indexer.postgres.facts import LONGEST_KEY, Tag, key_bytes, whole_bytes, written_bytes

_SIGNS: Final = dict(zip(ORDERS, (">", ">=", "<", "<="), strict=True))
_PICTURED: Final = "SELECT number FROM @document WHERE picture IS NOT NULL"
_AFTER: Final = (Operator.GT, Operator.GTE)


class Translation:
    """A filter as a condition on ``number``, with its arguments.

    ``fields`` are the numbers of those of its fields that any document ever had.
    """

    def __init__(self, condition: Filter, number: str, fields: Mapping[str, int]) -> None:
        self.arguments: list[Any] = []
        self._number = number
        self._fields = fields
        self.sql = self._translate(condition)
        self._alone = isinstance(condition, Condition)

    @property
    def holding(self) -> str | None:
        """A statement of the documents that pass, some repeatedly, if a fact alone says who does.

        It takes the same arguments.
        """
        before, after = f"({self._number} IN (", "))"
        if not self._alone or not self.sql.startswith(before):
            return None
        return self.sql.removeprefix(before).removesuffix(after)

    def _translate(self, condition: Filter) -> str:
        match condition:
            case Every(parts):
                return self._joined(" AND ", parts, "true")
            case Some(parts):
                return self._joined(" OR ", parts, "false")
            case Not(part):
                return f"(NOT {self._translate(part)})"
            case Pictured():
                return f"({self._number} IN ({_PICTURED}))"
            case Condition():
                return self._condition(condition)

    def _joined(self, by: str, parts: tuple[Filter, ...], without: str) -> str:
        return f"({by.join(map(self._translate, parts))})" if parts else without

    def _condition(self, condition: Condition) -> str:
        op = condition.operator
        if op in COMPLEMENTS:
            positive = Condition(condition.field, COMPLEMENTS[op], condition.values)
            return f"(NOT {self._condition(positive)})"
        field = self._fields.get(condition.field)
        missing = "true" if field is None else f"({self._number} NOT IN ({_holding(field)}))"
        if op is Operator.EXISTS:
            return f"(NOT {missing})" if condition.values[0] else missing
        if op in ORDERS:
            return "false" if field is None else self._ordered(field, condition)
        found = "false" if field is None else self._equal(field, condition)
        return f"({found} OR {missing})" if None in condition.values else found

    def _equal(self, field: int, condition: Condition) -> str:
        self.arguments.append([key_bytes(whole_bytes(value)) for value in condition.values])
        return f"({self._number} IN ({_holding(field)} AND value = ANY(%s)))"

    def _ordered(self, field: int, condition: Condition) -> str:
        bound, op = condition.values[0], condition.operator
        whole = whole_bytes(bound)
        ranges = [self._range(op, Tag(whole[0]), whole)]
        if kind_of(bound) is Kind.STRING:
            ranges.append(self._range(op, Tag.WRITTEN, written_bytes(str(bound))))
        return f"({self._number} IN ({_holding(field)} AND ({' OR '.join(ranges)})))"

    def _range(self, op: Operator, tag: Tag, whole: bytes) -> str:
        """Values of a kind on one side of a bound; only a long one needs whole values."""
        key = whole[:LONGEST_KEY]
        if len(whole) == len(key):
            self.arguments += [whole, tag.end if op in _AFTER else tag.first]
            other = "value < %s" if op in _AFTER else "value >= %s"
            return f"(value {_SIGNS[op]} %s AND {other})"
        first, last = (key, tag.end) if op in _AFTER else (tag.first, key + b"\xff" * 17)
        self.arguments += [first, last, whole]
        return f"(value >= %s AND value < %s AND coalesce(whole, value) {_SIGNS[op]} %s)"


def _holding(field: int) -> str:
    return f"SELECT document FROM @fact WHERE field = {field}"  # noqa: S608 - a number of ours
