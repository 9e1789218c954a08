"""The commands ``documents``: list, get, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from indexer.cli import messages, pages
from indexer.cli.group import Commands
from indexer.cli.holders import Holder, Listed, Listing, hold
from indexer.cli.messages import Figures
from indexer.cli.options import (
    ApiKey,
    Condition,
    Data,
    FieldNames,
    Json,
    Name,
    Url,
    Yes,
    confirm,
    read_filter,
    split_names,
)
from indexer.errors import InvalidInput
from indexer.library import DEFAULT_COLLECTION
from indexer.ordering import Order

IDS_SHOWN: Final = 10


def documents_commands() -> typer.Typer:
    """The group of commands on single documents."""
    group = typer.Typer(
        cls=Commands, no_args_is_help=True, help="List, show and delete documents that are stored."
    )
    group.command("list")(list_documents)
    group.command()(get)
    group.command()(delete)
    return group


def list_documents(
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    condition: Condition = None,
    sort: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Order by a field of the metadata, not as added."),
    ] = None,
    descending: Annotated[
        bool, typer.Option("--descending", help="From the largest on, or from the newest.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 10,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where the page before said; all else as it was.")
    ] = None,
    fields: FieldNames = None,
    as_json: Json = False,
) -> None:
    """List documents, or those that pass a filter, in the order in which they were added."""
    order, names = Order(sort, descending), split_names(fields)
    asked = Listing(read_filter(condition), order, cursor, limit, names)
    _ = asked.parts  # what is wrong with them is told before anything is opened
    with hold(data, url, api_key) as holder:
        listed = holder.list(collection, asked)
    for name in listed.unknown_fields:
        messages.note(f"no document has the field {name!r}")
    if as_json:
        messages.say_json(_page_figures(listed))
        return
    if listed.documents:
        messages.say(pages.documents_table(listed.documents))
    more = "" if listed.cursor is None else f"; the next ones: --cursor {listed.cursor}"
    shown = f"{len(listed.documents):,} of {messages.counted(listed.total, 'document')}"
    messages.note(f"{shown}{more}")


def _page_figures(listed: Listed) -> Figures:
    return {
        "documents": list(listed.documents),
        "total": listed.total,
        "unknown_fields": list(listed.unknown_fields),
        "cursor": listed.cursor,
    }


def get(
    id: Annotated[str, typer.Argument(metavar="ID", help="Its id.", show_default=False)],
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    as_json: Json = False,
) -> None:
    """Show a document: its title, its metadata and its whole text."""
    with hold(data, url, api_key) as holder:
        document = holder.document(collection, id)
    if as_json:
        messages.say_json(document)
    else:
        messages.say(pages.whole_document(document))


def delete(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Their ids.", show_default=False)
    ] = None,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    condition: Condition = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete documents by their ids, or all that pass a filter."""
    passing = read_filter(condition)
    if bool(ids) == (passing is not None):
        raise InvalidInput("give ids of documents, or --filter: one of both")
    if passing == {}:
        raise InvalidInput(
            "an empty filter passes every document: to delete all, say "
            f"'bearing collections delete {collection}'"
        )
    with hold(data, url, api_key) as holder:
        doomed = _doomed(holder, collection, list(dict.fromkeys(ids or [])), passing)
        deleted = 0
        if not dry_run and doomed.number:
            if not yes:
                confirm(f"Delete {messages.counted(doomed.number, 'document')} of {collection!r}?")
            deleted = doomed.delete(holder, collection)
    if as_json:
        messages.say_json({"deleted": deleted, **doomed.figures})
    else:
        doomed.tell(collection, None if dry_run else deleted)


@dataclass(frozen=True, slots=True)
class _Doomed:
    """Documents to delete: their number, the first ids, and ids that no document has."""

    number: int
    ids: Sequence[str]
    missing: Sequence[str]
    condition: Figures | None

    @property
    def figures(self) -> Figures:
        """The same as JSON has it."""
        first = list(self.ids[:IDS_SHOWN])
        return {"found": self.number, "first": first, "missing": list(self.missing)}

    def delete(self, holder: Holder, collection: str) -> int:
        """Delete them, and return their number."""
        if self.condition is not None:
            return holder.delete_matching(collection, self.condition)
        return holder.delete(collection, self.ids)

    def tell(self, collection: str, deleted: int | None) -> None:
        """Say what was deleted, or what would be if that is None."""
        for id in self.missing:
            messages.note(f"there is no document {id!r} in {collection!r}")
        if deleted is not None:
            messages.say(f"deleted {messages.counted(deleted, 'document')} of {collection!r}")
            return
        messages.say(f"{messages.counted(self.number, 'document')} of {collection!r} would go")
        for id in self.ids[:IDS_SHOWN]:
            messages.say(f"  {messages.printable(id)}")
        if self.number > IDS_SHOWN:
            messages.say(f"  and {self.number - IDS_SHOWN:,} others")


def _doomed(
    holder: Holder, collection: str, ids: Sequence[str], condition: Figures | None
) -> _Doomed:
    if condition is None:
        there = holder.present(collection, ids)
        missing = sorted(set(ids) - set(there))
        return _Doomed(len(there), there, missing, None)
    listed = holder.list(collection, Listing(condition, limit=IDS_SHOWN, names=()))
    for name in listed.unknown_fields:
        messages.note(f"no document has the field {name!r}")
    return _Doomed(listed.total, [str(one["id"]) for one in listed.documents], (), condition)
