"""The commands that say what a collection and its scores are worth: calibrate and diagnose."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer import console
from indexer.collection import Step
from indexer.documents import Mode
from indexer.indexing import index_reads
from indexer.options import Data, Json, Model, ModeOption, open_library
from indexer.ranking.calibration import Calibration
from indexer.readers import read_paths, total_bytes


def calibrate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder with corpus.jsonl, queries.jsonl and qrels, as BEIR has them.",
            show_default=False,
        ),
    ],
    data: Data = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME",
            help="Which collection; the corpus is indexed into it.",
            show_default="evaluate-<folder>, so that default is left alone",
        ),
    ] = None,
    model: Model = None,
    mode: ModeOption = Mode.DENSE,
    split: Annotated[str, typer.Option(help="Which qrels: train, dev or test.")] = "test",
    ignore_identical_ids: Annotated[
        bool,
        typer.Option("--ignore-identical-ids", help="Drop a hit whose id is the query's own."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn from judged queries how likely a hit is relevant; searches then say it of each hit.

    What is learned is kept with the collection, for this mode and model. Errors are of queries
    held out.
    """
    from indexer.calibrating import calibrate_collection
    from indexer.evaluation import read_dataset

    judged = read_dataset(dataset, split)
    name = collection or f"evaluate-{re.sub(r'[^A-Za-z0-9_-]+', '-', judged.name)}"[:64]
    paths = [str(judged.corpus_path)]
    with open_library(data, model) as library:
        indexed = index_reads(library, name, read_paths(paths), total_bytes(paths), model=model)
        opened = library.open(name)
        with console.stepping() as tell:
            made = calibrate_collection(
                opened,
                library.embedder(opened),
                judged,
                mode=mode,
                ignore_identical_ids=ignore_identical_ids,
                on_progress=lambda done, total: tell(Step("queries", done, total)),
            )
    figures = {**_figures(made), "collection": name, "rejected": indexed.summary.rejected}
    if as_json:
        console.say_json(figures)
    else:
        console.say(console.facts_table(figures))
    raise typer.Exit(indexed.exit_code)


def _figures(made: Calibration) -> dict[str, Any]:
    errors = asdict(made.errors)
    return {
        "mode": made.ranking,
        "expected_calibration_error": errors["expected"],
        "expected_calibration_error_all": errors["expected_all"],
        "brier": errors["brier"],
        "log_loss": errors["log_loss"],
        "relevant_share": errors["base"],
        "temperature": made.temperature,
        "queries": made.queries,
        "hits": made.hits,
    }
