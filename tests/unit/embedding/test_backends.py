"""Which row of a table opens a model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.embedding import EMBEDDERS, Backend, Precision
from indexer.embedding.backends import BackendSpec, ModelRequest, Unsuitable, open_model
from indexer.embedding.checkpoint import Checkpoint


def opening(said: str) -> Callable[[ModelRequest], str]:
    """A way to open any model, which says which one and how."""
    return lambda request: f"{request.model} by {said}"


def refuse(_: ModelRequest) -> str:
    """A way to open none."""
    raise Unsuitable("its layers are of a new kind")


def request(model: str = "m", precision: Precision = Precision.AUTO) -> ModelRequest:
    """A model that is asked for."""
    return ModelRequest(model, Path("nowhere"), precision)


TABLE = (
    BackendSpec(opening("hashing"), Backend.HASHING, names=re.compile(r"own-\d")),
    BackendSpec(opening("torch"), Backend.TORCH, turn=lambda: 2),
    BackendSpec(opening("openvino"), Backend.OPENVINO, turn=lambda: 1),
)


@pytest.mark.parametrize(
    ("model", "backend", "opened"),
    [
        ("m", Backend.AUTO, "m by openvino"),
        ("m", Backend.TORCH, "m by torch"),
        ("m", Backend.HASHING, "m by hashing"),
        ("own-1", Backend.AUTO, "own-1 by hashing"),
        ("own-1", Backend.TORCH, "own-1 by hashing"),
        ("own-12", Backend.AUTO, "own-12 by openvino"),
    ],
)
def test_a_name_of_its_own_comes_before_the_backend_and_that_before_the_turn(
    model: str, backend: Backend, opened: str
) -> None:
    """Where nothing is said, the row opens the model whose turn is first."""
    assert open_model(TABLE, request(model), backend) == opened


def test_a_model_that_suits_a_backend_is_its_own_unless_another_is_named() -> None:
    """So a static model is not converted first, and torch can still be asked for it."""
    static = BackendSpec(opening("static"), suits=lambda request: request.model == "table")
    table = (*TABLE[1:], static)
    assert open_model(table, request("table"), Backend.AUTO) == "table by static"
    assert open_model(table, request("table"), Backend.TORCH) == "table by torch"
    assert open_model(table, request("m"), Backend.AUTO) == "m by openvino"


def test_a_backend_that_a_table_lacks_leaves_the_choice() -> None:
    """As for rerankers, which are not hashed."""
    assert open_model(TABLE[1:], request(), Backend.HASHING) == "m by openvino"


def test_another_takes_over_what_one_cannot_run(caplog: pytest.LogCaptureFixture) -> None:
    """It is said which, and why; but where a backend was named, its refusal is the answer."""
    table = (BackendSpec(refuse, Backend.OPENVINO, turn=lambda: 0), *TABLE[:2])
    assert open_model(table, request(), Backend.AUTO) == "m by torch"
    assert "m runs on torch, which is slower: its layers are of a new kind" in caplog.text
    with pytest.raises(Unsuitable):
        open_model(table, request(), Backend.OPENVINO)


def test_none_takes_over_in_a_precision_that_it_lacks() -> None:
    """Int8 was asked for, so vectors in another are no answer."""
    refusing = BackendSpec(refuse, Backend.OPENVINO, turn=lambda: 0)
    exact = BackendSpec(
        opening("torch"), Backend.TORCH, turn=lambda: 1, precisions=frozenset({Precision.AUTO})
    )
    assert open_model((refusing, exact), request(), Backend.AUTO) == "m by torch"
    with pytest.raises(Unsuitable):
        open_model((refusing, exact), request(precision=Precision.INT8), Backend.AUTO)


def test_every_backend_opens_embedders() -> None:
    """All that a user can choose has a row, here and in the documentation."""
    assert {spec.backend for spec in EMBEDDERS} >= set(Backend) - {Backend.AUTO}
    page = (Path(__file__).parents[3] / "docs" / "how-it-works.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) >= set(Backend)


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="there is a GPU")
def test_openvino_is_tried_before_torch_where_there_is_no_gpu() -> None:
    """And hashing never, as its vectors are no model's."""
    turns = {spec.backend: spec.turn() for spec in EMBEDDERS if spec.turn}
    assert sorted(turns, key=lambda backend: turns[backend]) == [Backend.OPENVINO, Backend.TORCH]


def test_a_checkpoint_is_looked_for_by_whoever_needs_it_and_once() -> None:
    """A row that needs no files asks for none; others that take over find them as they were."""
    found: list[str] = []

    def find(model: str, folder: Path) -> Checkpoint:
        found.append(model)
        return Checkpoint(model, folder, "weights", "setup", "essence")

    wanted = ModelRequest("m", Path("nowhere"), find=find)
    assert open_model(TABLE, wanted, Backend.HASHING) == "m by hashing"
    assert found == []
    assert wanted.checkpoint is wanted.checkpoint
    assert found == ["m"]
