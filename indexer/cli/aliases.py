"""The commands ``alias``: list, set, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from indexer.cli import facts, messages
from indexer.cli.group import Commands
from indexer.cli.holders import hold
from indexer.cli.options import ApiKey, Data, Json, Url

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias.", show_default=False)]


def alias_commands() -> typer.Typer:
    """The group of commands on second names of collections."""
    group = typer.Typer(
        cls=Commands, no_args_is_help=True, help="List, set and delete other names of collections."
    )
    group.command("list")(list_aliases)
    group.command("set")(set_alias)
    group.command("delete")(delete_alias)
    return group


def list_aliases(
    data: Data = None, url: Url = None, api_key: ApiKey = None, as_json: Json = False
) -> None:
    """List the aliases, each with the collection that it names."""
    with hold(data, url, api_key) as holder:
        aliases = dict(sorted(holder.aliases().items()))
        place = holder.place
    if as_json:
        listed = [{"name": name, "collection": named} for name, named in aliases.items()]
        messages.say_json({"aliases": listed})
    elif aliases:
        messages.say(facts.facts_table(aliases))
    else:
        messages.note(f"there are no aliases in {place}")


def set_alias(
    alias: Alias,
    collection: Annotated[
        str,
        typer.Argument(
            metavar="COLLECTION", help="The collection that it is to name.", show_default=False
        ),
    ],
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Let an alias name a collection from now on, in one step; it may have named another.

    An alias stands wherever a collection is named. Searches under way finish with the collection
    that they began with.
    """
    with hold(data, url, api_key) as holder:
        before = holder.point(alias, collection)
    if as_json:
        messages.say_json({"name": alias, "collection": collection, "before": before})
    else:
        was = f", and no longer {before!r}" if before not in (None, collection) else ""
        messages.say(f"{alias!r} is {collection!r} from now on{was}")


def delete_alias(
    alias: Alias,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Delete an alias; the collection that it names stays."""
    with hold(data, url, api_key) as holder:
        holder.unpoint(alias)
    if as_json:
        messages.say_json({"deleted": alias})
    else:
        messages.say(f"deleted the alias {alias!r}")
