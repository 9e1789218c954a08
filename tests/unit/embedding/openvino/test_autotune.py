"""Which way to run a graph is tried once, where trying is safe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_models import save_bert

from indexer.embedding import Precision, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.openvino.autotune import fusing_pays
from indexer.embedding.openvino.model_cache import Entry, entry_folder, read_entry


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A small BERT's graph."""
    cache = tmp_path_factory.mktemp("cache")
    folder = str(save_bert(tmp_path_factory.mktemp("models") / "bert"))
    open_embedder(folder, cache=cache)
    entry = read_entry(entry_folder(find_checkpoint(folder, cache), cache), cache)
    assert entry is not None
    return entry


def test_a_trial_names_a_way(converted: Entry) -> None:
    """Whichever is the faster here, the answer is yes or no, and the entry remembers one."""
    assert fusing_pays(converted.graph, converted.setup, Precision.F32) in (True, False)
    assert converted.fused in (True, False)


def test_long_windows_stay_fused(converted: Entry, tmp_path: Path) -> None:
    """A model of long texts is not tried, whose unfused attention could take all memory."""
    setup = replace(converted.setup, window=8192)
    assert fusing_pays(tmp_path / "no graph is opened", setup, Precision.F32)
