"""A training that is killed at random moments goes on to what an unbroken one gives."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small_models import save_bert

KILLS = 20
SECONDS = 120


def start(folder: Path, name: str, *words: str) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    settings = {
        "BEARING_DATA": str(folder / "data"),
        "BEARING_MODEL": str(folder / "bert"),
        "BEARING_BACKEND": "torch",
        "BEARING_THREADS": "1",
        "BEARING_CACHE": str(folder / "cache"),
    }
    quick = "epochs=40,batch=8,evaluations=4,patience=9,checkpoint_seconds=0"
    command = [sys.executable, "-m", "indexer", "train", str(folder / "pairs.jsonl")]
    return subprocess.Popen(
        [*command, "--model", str(folder / "bert"), "--set", quick, "--output", name, *words],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Whatever the moment, the model is whole or not there, and in the end it is the same."""
    save_bert(tmp_path / "bert")
    lines = [
        {"query": f"dog {n} fox {n % 7}", "positive": f"the lazy dog {n} over {n % 7} brown foxes"}
        for n in range(80)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    begun = time.monotonic()
    assert start(tmp_path, "whole").wait(SECONDS) == 0
    took = time.monotonic() - begun
    chance = random.Random(5)
    models = tmp_path / "data" / "models"
    for _ in range(KILLS):
        process = start(tmp_path, "cut", "--resume")
        try:
            if process.wait(chance.uniform(0.3, 1.0) * took) == 0:
                break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        whole = (models / "cut").exists()
        assert whole == (models / "cut" / "bearing.json").exists()
        if whole:
            break
    if not (models / "cut").exists():
        assert start(tmp_path, "cut", "--resume").wait(SECONDS) == 0
    expected, found = (load_file(models / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
