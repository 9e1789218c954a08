"""The commands of the library, and how they are called. What they do is elsewhere.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage, 3 done but some inputs were rejected.
"""

from __future__ import annotations

import typer

from indexer.cli.aliases import alias_commands
from indexer.cli.analysis import calibrate, diagnose, draw_map
from indexer.cli.collections import create_collection, delete_collection, list_collections, stats
from indexer.cli.distil import distil
from indexer.cli.documents import documents_commands
from indexer.cli.evaluate import evaluate
from indexer.cli.export import export_collection
from indexer.cli.feedback import clear_feedback, export_feedback
from indexer.cli.group import Commands, no_commands
from indexer.cli.index_command import index
from indexer.cli.maintenance import backup, compact, rebuild, reindex, restore, upgrade, verify
from indexer.cli.models import list_models, promote
from indexer.cli.move_in import move_in
from indexer.cli.rejects import rejects
from indexer.cli.runtime import tune_interpreter
from indexer.cli.search import search
from indexer.cli.similarity import similarity
from indexer.cli.train import train


def commands() -> typer.Typer:
    """The commands, ready to be called or added to."""
    app = no_commands()
    for command in (index, search, evaluate, similarity, stats, reindex, rebuild, compact):
        app.command()(command)
    for assessment in (calibrate, diagnose):
        app.command()(assessment)
    app.command("map")(draw_map)
    app.command("import")(move_in)
    for learning in (train, distil):
        app.command()(learning)
    app.command("models")(list_models)
    app.command()(promote)
    app.command("export")(export_collection)
    for upkeep in (verify, backup, restore, upgrade, rejects):
        app.command()(upkeep)
    collections = typer.Typer(
        cls=Commands,
        invoke_without_command=True,
        callback=list_collections,
        help="List, create and delete collections.",
    )
    collections.command("list")(list_collections)
    collections.command("create")(create_collection)
    collections.command("delete")(delete_collection)
    app.add_typer(collections, name="collections")
    app.add_typer(documents_commands(), name="documents")
    app.add_typer(alias_commands(), name="alias")
    feedback = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        help="Export or delete the judgements of a service's users on its hits.",
    )
    feedback.command("export")(export_feedback)
    feedback.command("clear")(clear_feedback)
    app.add_typer(feedback, name="feedback")
    return app


def main() -> None:
    """Run the command that the process was called with."""
    tune_interpreter()
    commands()()


# index


# search


# similarity


# collections
