"""The speed of training, beside sentence-transformers' own trainer, and the models that it gives.

Both train the same model on the same pairs by the same loss, in batches of 32: each in a process of
its own, in alternating runs, each from the beginning. Loss and MRR are of pairs that neither is
trained on. Ratios are medians of the ratios of neighbouring runs, in processor time. Their trainer
needs the packages datasets and accelerate, which are no part of Bearing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from benchmarks.processes import Process, serve
from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.similarity import retrieval_cross_entropy

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""Queries with their texts."""

BATCH: Final = 32
TEMPERATURE: Final = 0.05
LEARNING_RATE: Final = 2e-5
HELD_OUT: Final = 96
MODULE: Final = "benchmarks.training"
REFERENCE: Final = "sentence-transformers"


@dataclass(frozen=True, slots=True)
class Job:
    """The peer, and the settings that its process is started with."""

    peer: str
    cache: str
    threads: int


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its cost, and the model that came of it, as a function of texts."""

    cpu_seconds: float
    seconds: float
    embed: Callable[[Sequence[str], TextRole], Vectors]


def _checkpoint(job: Job) -> Any:  # noqa: ANN401 - imported late
    from indexer.embedding.checkpoint import DEFAULT_MODEL, find_checkpoint

    return find_checkpoint(DEFAULT_MODEL, Path(job.cache))


def train_bearing(job: Job, pairs: Pairs, epochs: int, method: str, *words: str) -> Run:
    """By Bearing's loop, as ``bearing train`` runs it."""
    from indexer.learning.checkpoints import Checkpoints
    from indexer.learning.contrast import Contrast, ContrastiveObjective, Loss, Temperature
    from indexer.learning.examples import Example, Examples
    from indexer.learning.momentum import MomentumObjective
    from indexer.learning.options import Tuning, read_options
    from indexer.learning.trainee import Trainee
    from indexer.learning.training_loop import Loop, Objective

    common = (f"epochs={epochs}", f"batch={BATCH}", f"learning_rate={LEARNING_RATE}")
    tuning = read_options(Tuning, (*common, "evaluations=1", *words))
    trainee = Trainee.open(
        _checkpoint(job), frozen_layers=tuning.frozen_layers, threads=job.threads
    )
    temperature = Temperature(TEMPERATURE, learned=False)
    objective: Objective
    if method == "moco":
        objective = MomentumObjective(
            trainee, temperature, queue=2_048, momentum=0.99, near_duplicate=0.98
        )
    else:
        contrast = Contrast(
            Loss.INFO_NCE, both=False, near_duplicate=None, margin=0, negatives=0, dimensions=()
        )
        objective = ContrastiveObjective(contrast, temperature, trainee.device)
    examples = Examples()
    for number, (query, text) in enumerate(pairs):
        examples.add(Example(query, f"q{number}", text, f"d{number}"))
    with tempfile.TemporaryDirectory() as folder, examples:
        loop = Loop(
            trainee, objective, examples, tuning, plan="",
            measure=lambda: 0.0, checkpoints=Checkpoints(Path(folder)), tell=lambda _: None,
        )  # fmt: skip
        cpu, start = time.process_time(), time.perf_counter()
        loop.run()
        return Run(time.process_time() - cpu, time.perf_counter() - start, trainee.embed)


def train_theirs(job: Job, pairs: Pairs, epochs: int, bf16: bool = False) -> Run:
    """By sentence-transformers' trainer and loss, as its documentation shows them."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.set_num_threads(job.threads)
    model = SentenceTransformer(str(_checkpoint(job).folder), device="cpu", local_files_only=True)
    columns = {"anchor": [q for q, _ in pairs], "positive": [text for _, text in pairs]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, num_train_epochs=epochs, per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE, warmup_steps=0.1, weight_decay=0.01, bf16=bf16,
            use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True, seed=0,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE),
        )
        cpu, start = time.process_time(), time.perf_counter()
        trainer.train()
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - start

    def embed(texts: Sequence[str], role: TextRole) -> Vectors:
        encode = model.encode_query if role is TextRole.QUERY else model.encode_document
        vectors: Vectors = encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return Run(cpu, seconds, embed)


PEERS: Final[Mapping[str, Callable[[Job, Pairs, int], Run]]] = {
    "bearing": lambda job, pairs, epochs: train_bearing(job, pairs, epochs, "contrastive"),
    "bearing-frozen": lambda job, pairs, epochs: train_bearing(
        job, pairs, epochs, "contrastive", "frozen_layers=4"
    ),
    "bearing-moco": lambda job, pairs, epochs: train_bearing(job, pairs, epochs, "moco"),
    REFERENCE: train_theirs,
    f"{REFERENCE}-bf16": partial(train_theirs, bf16=True),
}
"""The peers: all layers, the upper two of six, MoCo; theirs in float32 and in bf16."""


def work(job: Job) -> None:
    """Do what is asked of a peer, in a process of its own."""
    serve({"describe": describe, "train": partial(train, job)})


def describe() -> dict[str, Any]:
    """Fails where what the peer needs is not there."""
    import accelerate
    import datasets
    import sentence_transformers

    found = (accelerate, datasets, sentence_transformers)
    return {one.__name__: one.__version__ for one in found}


def train(
    job: Job, pairs: list[tuple[str, str]], held_out: list[tuple[str, str]], epochs: int
) -> dict[str, Any]:
    """One training: its cost for a pair, and the loss and MRR of pairs held out."""
    run = PEERS[job.peer](job, pairs, epochs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    queries = run.embed([query for query, _ in held_out], TextRole.QUERY)
    texts = run.embed([text for _, text in held_out], TextRole.DOCUMENT)
    scores = queries @ texts.T
    ranks = (scores >= np.diag(scores)[:, None]).sum(axis=1)
    seen = len(pairs) // BATCH * BATCH * epochs
    return {
        "cpu_seconds_per_pair": run.cpu_seconds / seen,
        "pairs_per_second": seen / run.seconds,
        "memory_mb": memory,
        "held_out_loss": retrieval_cross_entropy(queries, texts, TEMPERATURE),
        "held_out_mrr": float((1 / ranks).mean()),
    }


def read_pairs(path: Path | None) -> Iterator[tuple[str, str]]:
    """Titles and texts of a file of JSON Lines, or of Python's own documentation."""
    if path is None:
        from indexer.documents import Document
        from indexer.readers.standard_library import read_standard_library

        for read in read_standard_library():
            if isinstance(read.item, Document) and read.item.title and len(read.item.text) > 60:
                yield read.item.title, " ".join(read.item.text.split())
        return
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["title"].strip() and len(record["text"]) > 60:
                yield record["title"].strip(), record["text"]


def choose(path: Path | None, count: int) -> tuple[Pairs, Pairs]:
    """Pairs to train by and others to judge by, drawn from the first hundred thousand."""
    found = dict(islice(read_pairs(path), 100_000))
    there = list(found.items())
    order = np.random.default_rng(0).permutation(len(there))[: count + HELD_OUT]
    drawn = [there[int(place)] for place in order]
    return drawn[:-HELD_OUT], drawn[-HELD_OUT:]


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All measurements, by the names of the JSON object."""
    pairs, held_out = choose(arguments.pairs, arguments.count)
    threads = arguments.threads or len(os.sched_getaffinity(0))
    peers: dict[str, Process] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for name in arguments.peers:
            process = Process(MODULE, asdict(Job(name, str(arguments.cache), threads)))
            peers[name] = process
            if name.startswith(REFERENCE) and not _runs(name, process):
                del peers[name]
                process.__exit__(None, None, None)
        for _ in range(arguments.rounds):
            for name, peer in peers.items():
                answer = peer.ask("train", pairs=pairs, held_out=held_out, epochs=arguments.epochs)
                found.setdefault(name, []).append(answer)
    finally:
        for peer in peers.values():
            peer.__exit__(None, None, None)
    return {"threads": threads, "pairs": len(pairs), "epochs": arguments.epochs, **judge(found)}


def _runs(name: str, process: Process) -> bool:
    try:
        process.ask("describe")
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        print(f"{name} does not run here and is left out: {reason}", file=sys.stderr)
        return False
    return True


def judge(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """The medians of each peer, and its speed and memory beside the reference's."""
    figures: dict[str, Any] = {}
    for name, runs in found.items():
        figures[name] = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        if REFERENCE in found and name != REFERENCE:
            cost = "cpu_seconds_per_pair"
            neighbours = zip(found[REFERENCE], runs, strict=True)
            speed = statistics.median(theirs[cost] / ours[cost] for theirs, ours in neighbours)
            most = max(one["memory_mb"] for one in found[REFERENCE])
            figures[name]["speed_ratio"] = speed
            figures[name]["memory_ratio"] = max(one["memory_mb"] for one in runs) / most
    return {"peers": figures}


def main() -> None:
    """Measure, and print."""
    import platformdirs

    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--pairs", type=Path, help="JSON Lines of title and text, packed or not")
    parser.add_argument("--count", type=int, default=96, help="pairs to train by")
    parser.add_argument("--epochs", type=int, default=2, help="how often each is seen")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each peer")
    parser.add_argument("--threads", type=int, default=0, help="threads of each peer; 0: all cores")
    parser.add_argument(
        "--peers", nargs="+", default=list(PEERS), choices=list(PEERS), help="what to compare"
    )
    cache = Path(os.environ.get("BEARING_CACHE") or platformdirs.user_cache_dir("bearing"))
    parser.add_argument("--cache", type=Path, default=cache, help="where converted models are")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        work(Job(**json.loads(arguments.serve)))
        return
    result = compare(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, figures in result["peers"].items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:22} {value:.3f}")


if __name__ == "__main__":
    main()
