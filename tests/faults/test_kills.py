"""SIGKILL at random moments: nothing acknowledged is lost, and what was under way is whole or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from killing import KINDS, Trial


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Ten kills, some without a look between them: each time all that was acknowledged is there."""
    trial = Trial(tmp_path, seed=int(os.environ.get("KILL_SEED", "1")))
    trial.kill(10)
    assert trial.landed.total() == 10
    assert trial.acknowledged > 10
    assert len(trial.landed) >= 3


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(6))
def test_hundreds_of_kills_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Sixty kills for each of six collections: they land in every kind of change."""
    trial = Trial(tmp_path, seed=1000 + seed)
    trial.kill(60)
    print(dict(trial.landed), trial.acknowledged)  # shown by pytest -rP
    assert set(trial.landed) >= set(KINDS)
