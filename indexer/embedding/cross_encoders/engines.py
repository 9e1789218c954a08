"""Cross-encoders as OpenVINO graphs, and on torch.

A pair's tokens are one sequence with two types of tokens; the type is kept in a bit of the token's
id, so that pairs are sorted, batched and run by the code that embeds texts. An entry of the cache
is as in indexer.embedding.openvino.model_cache, with scores of known pairs instead of vectors.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.acceptance import CHECK_TEXTS
from indexer.embedding.backends import Unsuitable
from indexer.embedding.batching import SORT_WINDOW, Batch, plan_batches
from indexer.embedding.checkpoint import Checkpoint, sha256_file
from indexer.embedding.cross_encoders.reranker import Pair, RerankerScores
from indexer.embedding.embedder import Precision, Runtime, TextRole
from indexer.embedding.openvino.conversion import ATTENTIONS, trace, write_graph
from indexer.embedding.openvino.engine import CompiledEngine
from indexer.embedding.openvino.model_cache import (
    GRAPH,
    TOKENIZER,
    WEIGHTS,
    entry_folder,
    obtain,
    precisions,
    read_manifest,
)
from indexer.embedding.tokenizer import Ids, Setup
from indexer.errors import ModelError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder

log = logging.getLogger(__name__)

KIND: Final = "cross-1"
"""Raise its number when the files written here change: older entries are then not found."""

CHECK_PAIRS: Final = tuple(
    (query, passage) for query in CHECK_TEXTS[1:3] for passage in CHECK_TEXTS
)
"""Pairs that compare a graph's scores with the model's, some longer than the window."""

FAITHFUL: Final = 1e-3
"""The largest difference from predict's scores of known pairs, as a share of their scale."""

BF16_FAITHFUL: Final = 2e-2
"""The same where bf16 was asked for by name."""

TYPE_BIT: Final = 1 << 30
TORCH_BATCH: Final = 32


class PairTokenizer:
    """A model's own tokenizer for pairs. Safe to use from several threads: it never changes."""

    def __init__(self, setup: Setup) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(setup.tokenizer)
        self._tokenizer.enable_truncation(setup.window, strategy="longest_first")
        self._tokenizer.no_padding()

    def ids(self, pairs: Sequence[Pair]) -> list[Ids]:
        """Each pair's tokens, cut to the window; those of type 1 have TYPE_BIT set."""
        return [
            np.asarray(encoding.ids, np.int32)
            + TYPE_BIT * (np.asarray(encoding.type_ids, np.int32) > 0)
            for encoding in self._tokenizer.encode_batch(list(pairs))
        ]


class CompiledPairs(CompiledEngine):
    """A cross-encoder's graph; the types of tokens are an input if the model has them."""

    typed = False

    def inputs(self, batch: Batch, role: TextRole) -> dict[str, NDArray[np.int32]]:  # noqa: ARG002
        """The graph's inputs for a batch, by name."""
        mask = (np.arange(batch.ids.shape[1]) < batch.lengths[:, None]).astype(np.int32)
        inputs = {"ids": batch.ids & ~np.int32(TYPE_BIT), "mask": mask}
        if self.typed:
            inputs["types"] = (batch.ids >= TYPE_BIT).astype(np.int32)
        return inputs


class CompiledReranker:
    """A Reranker made of a tokenizer and a graph."""

    def __init__(self, name: str, setup: Setup, engine: CompiledPairs) -> None:
        self.name = name
        self._tokenizer = PairTokenizer(setup)
        self._engine = engine

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        return self._engine.runtime

    def score(self, pairs: Sequence[Pair]) -> RerankerScores:
        """The scores in the order of the pairs, which may be many: memory stays bounded."""
        scores = np.empty(len(pairs), dtype=np.float32)
        for start in range(0, len(pairs), SORT_WINDOW):
            ids = self._tokenizer.ids(pairs[start : start + SORT_WINDOW])
            places = range(start, start + len(ids))
            batches = plan_batches(ids, places, self._engine.budget, self._engine.pad_id)
            for batch, found in self._engine.run(batches, TextRole.QUERY):
                scores[batch.places] = found[:, 0]
        return scores

    def close(self) -> None:
        """Release the resources of the engine."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class TorchReranker:
    """A Reranker that is sentence-transformers' own predict."""

    def __init__(self, name: str, model: CrossEncoder) -> None:
        self.name = name
        self._model = model
        self._lock = threading.Lock()

    @property
    def runtime(self) -> Runtime:
        """Torch and its device."""
        import torch

        return Runtime("torch", str(self._model.device), "f32", torch.get_num_threads())

    def score(self, pairs: Sequence[Pair]) -> RerankerScores:
        """The scores in the order of the pairs."""
        if not pairs:
            return np.empty(0, dtype=np.float32)
        with self._lock:
            return _predict(self._model, pairs, TORCH_BATCH)

    def close(self) -> None:
        """Drop the model."""
        del self._model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_torch_pairs(checkpoint: Checkpoint, threads: int) -> TorchReranker:
    """The model on the best device available; raises ModelError."""
    from indexer.embedding.torch_engine import need_torch

    need_torch(checkpoint)
    import torch

    if threads:
        torch.set_num_threads(threads)
    return TorchReranker(checkpoint.name, load_cross_encoder(checkpoint))


def open_compiled_pairs(
    checkpoint: Checkpoint, cache: Path, precision: Precision, threads: int
) -> CompiledReranker:
    """The model as an OpenVINO graph, converted first if it is not in the cache.

    Raises Unsuitable if it has no faithful graph, ModelError if it cannot be loaded at all.
    """
    folder = entry_folder(checkpoint, cache, KIND)
    entry = obtain(folder, cache, _read_entry, partial(_fill, checkpoint))
    allowed = BF16_FAITHFUL if precision is Precision.BF16 else FAITHFUL
    for kind in precisions(precision):
        reranker = _assemble(checkpoint.name, entry.graph, entry.setup, entry.typed, kind, threads)
        worst = _difference(reranker, entry.references)
        if worst <= allowed:
            return reranker
    raise Unsuitable(f"its {precision} graph gives other scores (they differ by {worst:.2g})")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A converted cross-encoder; ``references`` are predict's scores of CHECK_PAIRS."""

    graph: Path
    setup: Setup
    typed: bool
    references: RerankerScores


def _read_entry(folder: Path, cache: Path) -> _Entry | None:
    """The entry in this folder; None if there is none or it is damaged."""

    def parse(manifest: Mapping[str, Any]) -> _Entry:
        setup = Setup(tokenizer=(folder / TOKENIZER).read_text("utf-8"), **manifest["setup"])
        references = np.asarray(manifest["references"], np.float32)
        return _Entry(folder / GRAPH, setup, bool(manifest["typed"]), references)

    return read_manifest(folder, cache, parse)


def _fill(checkpoint: Checkpoint, work: Path) -> dict[str, Any]:
    """The manifest of the model's graph, or of the reason why it has none."""
    model = load_cross_encoder(checkpoint, "cpu")
    try:
        setup, typed = _describe(model)
        references = _predict(model, CHECK_PAIRS, 1)
        _convert(model, setup, typed, references, work / GRAPH)
    except Unsuitable as problem:
        return {"unconvertible": str(problem)}
    (work / TOKENIZER).write_text(setup.tokenizer, "utf-8")
    fields = asdict(setup)
    del fields["tokenizer"]
    return {
        "setup": fields,
        "typed": typed,
        "references": references.tolist(),
        "files": {name: sha256_file(work / name) for name in (GRAPH, WEIGHTS, TOKENIZER)},
    }


def _convert(
    model: CrossEncoder, setup: Setup, typed: bool, references: RerankerScores, path: Path
) -> None:
    """Write the first graph that gives the model's scores; raises Unsuitable."""
    for attention in ATTENTIONS:
        write_graph(trace(model, _whole(model), _example(setup, typed), attention), path)
        reranker = _assemble("", path, setup, typed, Precision.F32, threads=0)
        worst = _difference(reranker, references)
        if worst <= FAITHFUL:
            return
    raise Unsuitable(f"its graph gives other scores (they differ by {worst:.2g})")


def _assemble(
    name: str, graph: Path, setup: Setup, typed: bool, precision: Precision, threads: int
) -> CompiledReranker:
    engine = CompiledPairs(graph, setup, precision, threads)
    engine.typed = typed
    return CompiledReranker(name, setup, engine)


def _difference(reranker: CompiledReranker, references: RerankerScores) -> float:
    """The largest error of the scores of CHECK_PAIRS, batched and single, as a share of scale."""
    together = reranker.score(CHECK_PAIRS)
    alone = np.concatenate([reranker.score([pair]) for pair in CHECK_PAIRS])
    scale = max(1.0, float(np.abs(references).max()))
    off = float(max(np.abs(found - references).max() for found in (together, alone)))
    return off / scale if np.isfinite(off) else float("inf")


def load_cross_encoder(checkpoint: Checkpoint, device: str | None = None) -> CrossEncoder:
    """The model in float32, from its folder alone; raises ModelError."""
    from indexer.embedding.torch_engine import hushed, need_torch, unloadable

    need_torch(checkpoint)
    import torch
    from sentence_transformers import CrossEncoder

    try:
        with hushed():
            model = CrossEncoder(
                str(checkpoint.folder),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
    except (ArithmeticError, AttributeError, ImportError, LookupError, OSError) as error:
        raise unloadable(checkpoint, error) from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise unloadable(checkpoint, error) from error
    if model.num_labels != 1:
        raise ModelError(
            f"model {checkpoint.name!r} gives {model.num_labels} scores for a pair: a reranker "
            "gives one (num_labels 1)"
        )
    inner = model.transformers_model
    if inner is not None and type(inner).__name__ not in (inner.config.architectures or ()):
        raise ModelError(
            f"model {checkpoint.name!r} is no cross-encoder: it was saved as "
            f"{', '.join(inner.config.architectures or ('nothing known',))}, without the head that "
            "scores a pair"
        )
    cross: CrossEncoder = model.float().eval()
    return cross


def _predict(model: CrossEncoder, pairs: Sequence[Pair], batch: int) -> RerankerScores:
    from indexer.embedding.torch_engine import hushed

    with hushed():
        found = model.predict(list(pairs), batch_size=batch, show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)


def _describe(model: CrossEncoder) -> tuple[Setup, bool]:
    """The tokenizer and settings of the model, and whether it tells types of tokens apart."""
    from indexer.embedding.torch_engine import UNBOUNDED, tokenizer_json

    if model.prompts.get(model.default_prompt_name or ""):
        raise Unsuitable("it puts a prompt in front of pairs")
    try:
        tokenizer = tokenizer_json(model)
    except ModelError as error:
        raise Unsuitable(str(error)) from error
    window = model.max_seq_length
    setup = Setup(
        tokenizer=tokenizer,
        prompts={},
        window=int(window) if window and 0 < window <= 1 << 20 else UNBOUNDED,
        dimension=1,
        pooling="score",
        pad_id=int(model.tokenizer.pad_token_id or 0),
    )
    return setup, "token_type_ids" in model.tokenizer.model_input_names


def _example(setup: Setup, typed: bool) -> Mapping[str, torch.Tensor]:
    """Two pairs of unequal length, so that no dimension is traced as a constant."""
    import torch

    pairs = [("A question to be traced", "and its answer"), ("Another", "one")]
    (batch,) = plan_batches(PairTokenizer(setup).ids(pairs), [0, 1], 1 << 20, setup.pad_id)
    mask = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    example = {"ids": batch.ids & ~np.int32(TYPE_BIT), "mask": mask.astype(np.int32)}
    if typed:
        example["types"] = (batch.ids >= TYPE_BIT).astype(np.int32)
    return {name: torch.from_numpy(array) for name, array in example.items()}


def _whole(model: CrossEncoder) -> torch.nn.Module:
    """The model as a module from tensors to scores, (n, 1), its activation included."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(model.children())

        def forward(
            self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None
        ) -> torch.Tensor:
            features = {"input_ids": ids.long(), "attention_mask": mask.long()}
            if types is not None:
                features["token_type_ids"] = types.long()
            for part in self.parts:
                features = part(features)
            scores = features["scores"].float()
            if model.activation_fn is not None:
                scores = model.activation_fn(scores)
            return scores.reshape(-1, 1)

    return Whole().eval()
