"""The command train: what it takes, what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import run_bearing
from small_models import save_bert
from typer.testing import Result

QUICK = "epochs=1,batch=8,evaluations=1"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT with random weights."""
    return save_bert(tmp_path_factory.mktemp("models") / "bert")


def call(folder: Path, *words: str, model: str = "hashing") -> Result:
    """The result of a command on a directory of collections."""
    settings = {
        "BEARING_DATA": str(folder / "data"),
        "BEARING_MODEL": model,
        "BEARING_BACKEND": "torch",
        "BEARING_THREADS": "1",
        "BEARING_CACHE": str(folder / "cache"),
    }
    return run_bearing(list(words), env=settings)


def write(path: Path, lines: list[dict[str, object]]) -> str:
    """The path of a file of JSON Lines."""
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    return str(path)


def test_clicks_on_a_collection_train_its_model(bert: Path, tmp_path: Path) -> None:
    """Ids are looked up in the collection; what is refused is told, and makes the exit code 3."""
    documents = [
        {"id": f"d{n}", "title": f"dog {n}", "text": f"a lazy dog jumps over {n} {n}"}
        for n in range(40)
    ]
    corpus = write(tmp_path / "corpus.jsonl", documents)
    assert call(tmp_path, "index", corpus, model=str(bert)).exit_code == 0
    clicks = [{"query": f"dog {n}", "id": f"d{n}", "clicked": True} for n in range(41)]
    path = write(tmp_path / "clicks.jsonl", clicks)
    done = call(tmp_path, "train", path, "--set", QUICK, "--json", model=str(bert))
    assert done.exit_code == 3, done.stderr
    answer = json.loads(done.stdout)
    assert answer["name"] == "default-contrastive"
    assert (answer["data"]["pairs"], answer["data"]["rejected"]) == (40, 1)
    assert answer["base"]["collection"] == "default"
    assert "no document 'd40'" in done.stderr
    assert (Path(answer["folder"]) / "model.safetensors").is_file()
    words = ("train", "--from-collection", "default", "--set", QUICK, "--output", "own")
    own = call(tmp_path, *words, model=str(bert))
    assert own.exit_code == 0, own.stderr
    assert "held out by queries" in own.stdout
    assert "loss" in own.stderr
    assert "pairs/s" in own.stderr


def test_what_was_rejected_is_told_where_nothing_is_left(tmp_path: Path) -> None:
    """It is why: the lines and their reasons stand before the error."""
    lines = [{"query": "a", "positive": "a"}, {"query": "b"}, {"query": "c", "positive": "d"}]
    path = write(tmp_path / "bad.jsonl", lines)
    done = call(tmp_path, "train", path, "--model", "hashing", "--method", "adapter")
    assert done.exit_code != 0
    assert "2 inputs rejected" in done.stderr
    assert "bad.jsonl:1: an identical pair" in done.stderr
    assert "bad.jsonl:2: no positive" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "nothing to train by"),
        (["train", "x.jsonl", "--method", "magic"], "method must be one of contrastive"),
        (["train", "x.jsonl", "--set", "speed=9"], "--set takes KEY=VALUE"),
        (["train", "x.jsonl", "--set", "epochs=0"], "epochs must be above 0"),
        (["train", "x.jsonl", "--set", "epochs=nan"], "must be a finite number"),
        (["train", "x.jsonl", "--set", "temperature=0"], "temperature must be from 0.01"),
        (["train", "x.jsonl", "--set", "dimensions=a"], "dimensions must be like"),
        (["train", "x.jsonl", "--set", "dropout=maybe"], "must be true or false"),
        (["train", "x.jsonl", "--held-out", "0.9"], "--held-out"),
        (["train", "x.jsonl", "--output", "../up"], "a model's name"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_wrong_usage_is_told(words: list[str], said: str, tmp_path: Path) -> None:
    """An option out of bounds ends with 2 and says what is allowed, before anything is read."""
    done = call(tmp_path, *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
