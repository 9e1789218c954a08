"""The benchmark of training puts runs side by side; no figure of time is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.training import HELD_OUT, PEERS, REFERENCE, choose, judge


def figures(cpu: float, memory: float) -> dict[str, float]:
    """What a peer answers."""
    return {"cpu_seconds_per_pair": cpu, "memory_mb": memory, "held_out_loss": 1.0}


def test_neighbouring_runs_are_compared() -> None:
    """A machine that slows down for all does not decide: each run is held against its neighbour."""
    found = {
        "bearing": [figures(1.0, 100), figures(2.0, 120), figures(4.0, 90)],
        REFERENCE: [figures(3.0, 400), figures(8.0, 300), figures(12.0, 300)],
    }
    peers = judge(found)["peers"]
    assert peers["bearing"]["speed_ratio"] == 3.0
    assert peers["bearing"]["memory_ratio"] == pytest.approx(0.3)
    assert "speed_ratio" not in peers[REFERENCE]
    assert set(found) <= set(PEERS)


def test_pairs_to_judge_by_are_not_trained_on(tmp_path: Path) -> None:
    """The pairs held out are others, and the draw is the same each time."""
    path = tmp_path / "pairs.jsonl"
    lines = [{"title": f"title {n}", "text": f"text {n} " * 20} for n in range(300)]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    train, held_out = choose(path, 100)
    assert (len(train), len(held_out)) == (100, HELD_OUT)
    assert not {*train} & {*held_out}
    assert (train, held_out) == choose(path, 100)
