"""The drawing of a collection's map in a process of its own."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict

from indexer.index_choice import Language
from indexer.postgres.database import Database
from indexer.postgres.engine import PostgresEngine
from indexer.postgres.location import Location
from indexer.postgres.schema import Tables
from indexer.subprocess_job import Job, say


def draw_job(job: Job, given: bytes) -> Job:
    """Draw a collection's map in this process; ``given`` is where its database is."""
    tables, language = Tables(job["collection"]), Language(job["language"])
    with (
        closing(Database(Location(**json.loads(given)))) as database,
        closing(PostgresEngine(database, job["name"], tables, language)) as engine,
    ):
        engine.maps.draw_and_keep(job["holder"], lambda step: say(asdict(step)), anew=False)
    return {}
