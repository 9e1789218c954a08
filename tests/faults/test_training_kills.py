"""A training that is killed at random moments goes on to what an unbroken one gives."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from forked import FORKED
from safetensors.numpy import load_file
from small_models import save_bert

KILLS = 20
SECONDS = 120


def _train(folder: Path, name: str, words: tuple[str, ...]) -> None:
    """The command, with nothing said."""
    os.environ |= {
        "BEARING_DATA": str(folder / "data"),
        "BEARING_MODEL": str(folder / "bert"),
        "BEARING_BACKEND": "torch",
        "BEARING_THREADS": "1",
        "BEARING_CACHE": str(folder / "cache"),
    }
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 -- until the process ends
    quick = "epochs=20,batch=8,evaluations=4,patience=9,checkpoint_seconds=0"
    command = ["bearing", "train", str(folder / "pairs.jsonl"), "--model", str(folder / "bert")]
    sys.argv = [*command, "--set", quick, "--output", name, *words]
    from indexer.cli.app import main

    main()


def start(folder: Path, name: str, *words: str) -> BaseProcess:
    """The command, in a process of its own."""
    process = FORKED.Process(target=_train, args=(folder, name, words))
    process.start()
    return process


@pytest.mark.usefixtures("forked")
@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """The model is whole or not there, and whenever one is finished it is the same."""
    save_bert(tmp_path / "bert")
    lines = [
        {"query": f"dog {n} fox {n % 7}", "positive": f"the lazy dog {n} over {n % 7} brown foxes"}
        for n in range(80)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    models = tmp_path / "data" / "models"
    for name in ("first", "whole"):  # only the second finds everything imported
        begun = time.monotonic()
        process = start(tmp_path, name)
        process.join(SECONDS)
        took = time.monotonic() - begun
        assert process.exitcode == 0
    expected = load_file(models / "whole" / "model.safetensors")
    chance = random.Random(5)
    kills = finished = 0
    while kills < KILLS or not finished:
        name = f"cut{finished}"
        process = start(tmp_path, name, "--resume")
        process.join(chance.uniform(0.05, 0.9) * took if kills < KILLS else SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
            assert (models / name).exists() == (models / name / "bearing.json").exists()
        else:
            assert process.exitcode == 0
        if (models / name).exists():  # also if it was killed just after
            found = load_file(models / name / "model.safetensors")
            assert all(np.array_equal(expected[part], found[part]) for part in expected)
            finished += 1
