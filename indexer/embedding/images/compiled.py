"""Towers of images as OpenVINO graphs, from pixels to unit vectors: converted once, then cached.

An entry of the model cache like that of a model's texts, beside it. Imported only to run one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.allocator import trim, unload
from indexer.cores import usable_cores
from indexer.documents import Vectors
from indexer.embedding.acceptance import FAITHFUL_COSINE
from indexer.embedding.backends import Unsuitable
from indexer.embedding.checkpoint import Checkpoint, sha256_file
from indexer.embedding.embedder import CANARY_COSINE, Precision
from indexer.embedding.images.setup import ImageSetup
from indexer.embedding.images.torch_tower import reference_vectors, whole_tower, worst_of
from indexer.embedding.images.tower import ImageTower
from indexer.embedding.images.towers import describe_images, image_tower
from indexer.embedding.openvino.conversion import ATTENTIONS, trace, write_graph
from indexer.embedding.openvino.model_cache import (
    GRAPH,
    WEIGHTS,
    entry_folder,
    obtain,
    precisions,
    read_manifest,
)
from indexer.pictures import Pixels

if TYPE_CHECKING:
    import openvino
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

RECIPE: Final = "images 1"
"""Change it when the files written here change: older entries are then not found."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A converted tower: its graph, its settings, and sentence-transformers' own canaries."""

    graph: Path
    setup: ImageSetup
    reference: Vectors


def open_compiled_tower(
    checkpoint: Checkpoint, cache: Path, precision: Precision, threads: int
) -> ImageTower:
    """A model's images as an OpenVINO graph, converted first if it is not in the cache.

    bf16 is used unasked only where it keeps all canaries. Raises Unsuitable if there is no
    faithful graph, ModelError if the model cannot be loaded at all.
    """
    # int8 is not offered: nothing calibrates a graph on images.
    wanted = Precision.AUTO if precision is Precision.INT8 else precision
    key = replace(checkpoint, weights=checkpoint.images)
    folder = entry_folder(key, cache, RECIPE)
    entry = obtain(folder, cache, _read, partial(_fill, checkpoint))
    floor = CANARY_COSINE if precision is Precision.BF16 else FAITHFUL_COSINE
    for kind in precisions(wanted):
        tower = ImageTower(
            checkpoint.images, entry.setup, CompiledImages(entry.graph, kind, threads)
        )
        worst = worst_of(tower, entry.reference)
        if worst >= floor:
            return tower
    raise Unsuitable(f"its images' {kind} graph gives other vectors (cosine {worst:.5f})")


def _read(folder: Path, cache: Path) -> Entry | None:
    """The entry in this folder; None if there is none or it is damaged.

    Raises Unsuitable if the entry records that the conversion failed.
    """

    def parse(manifest: Mapping[str, Any]) -> Entry:
        reference = np.asarray(manifest["reference"], np.float32)
        return Entry(folder / GRAPH, ImageSetup.decode(manifest["setup"]), reference)

    return read_manifest(folder, cache, parse)


def _fill(checkpoint: Checkpoint, work: Path) -> Mapping[str, Any]:
    """The manifest of the images' graph, or of the reason why there is none."""
    from indexer.embedding.torch_engine import load_model

    try:
        model = load_model(replace(checkpoint, folder=checkpoint.images_folder), "cpu")
        tower = image_tower(model)
        setup = describe_images(tower)
        reference = reference_vectors(tower)
        _convert(tower, setup, reference, work / GRAPH)
    except Unsuitable as problem:
        return {"unconvertible": str(problem)}
    return {
        "setup": asdict(setup),
        "reference": reference.tolist(),
        "files": {name: sha256_file(work / name) for name in (GRAPH, WEIGHTS)},
    }


def convert_tower(tower: SentenceTransformer, setup: ImageSetup, path: Path) -> CompiledImages:
    """A tower as a float32 graph that is written to ``path``, for one use; raises Unsuitable."""
    _convert(tower, setup, reference_vectors(tower), path)
    return CompiledImages(path, Precision.F32, threads=0)


def _convert(tower: SentenceTransformer, setup: ImageSetup, reference: Vectors, path: Path) -> None:
    """Write a faithful graph of a tower to ``path``. Raises Unsuitable if there is none."""
    import torch

    fit = setup.fit
    pixels = torch.zeros((2, fit.height, fit.width, 3), dtype=torch.uint8)
    reason = ""
    for attention in (*ATTENTIONS, None):
        whole = whole_tower(tower, setup)
        try:
            write_graph(trace(tower, whole, {"pixels": pixels}, attention), path)
        except Unsuitable as problem:  # networks of convolutions refuse to be told their attention
            reason = str(problem)
            continue
        made = ImageTower("", setup, CompiledImages(path, Precision.F32, threads=0))
        worst = worst_of(made, reference)
        if worst >= FAITHFUL_COSINE:
            return
        reason = f"its images' graph gives other vectors (cosine {worst:.5f})"
    raise Unsuitable(reason)


class CompiledImages:
    """An engine of images on CPUs, compiled twice: for one batch on all threads, and for many.

    Threads that share a batch wait for one another at every layer; one batch a thread wastes
    nothing. The second graph is compiled when several batches first come.
    """

    def __init__(self, graph: Path, precision: Precision, threads: int) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(graph)
        self._weights = graph.with_suffix(".bin")
        self._precision = precision
        self._threads = threads or usable_cores()
        self._alone = self._compile(1)
        self._many: openvino.CompiledModel | None = None
        self._lock = threading.Lock()

    def run(self, batches: Sequence[Pixels]) -> Iterator[Vectors]:
        """The vectors of each batch, in order."""
        with self._lock:
            if len(batches) > 1 and self._many is None and self._threads > 1:
                self._many = self._compile(self._threads)
            compiled = self._alone if len(batches) == 1 else self._many or self._alone
        flying: deque[openvino.InferRequest] = deque()
        try:
            for batch in batches:
                if len(flying) > self._threads:
                    yield _land(flying)
                request = compiled.create_infer_request()
                request.start_async({0: batch})
                flying.append(request)
            while flying:
                yield _land(flying)
        finally:
            for request in flying:
                request.wait()

    def _compile(self, streams: int) -> openvino.CompiledModel:
        import openvino
        from openvino import properties
        from openvino.properties import hint

        bf16 = self._precision is Precision.BF16
        compiled = self._core.compile_model(
            self._model,
            "CPU",
            {
                hint.inference_precision: openvino.Type.bf16 if bf16 else openvino.Type.f32,
                hint.dynamic_quantization_group_size: 0,  # off, as it would change the vectors
                properties.num_streams: streams,
                properties.inference_num_threads: self._threads,
            },
        )
        unload(self._weights)
        trim()
        return compiled

    def close(self) -> None:
        """Drop the compiled graphs; calls under way keep the one they use."""
        self._many = None
        del self._alone, self._model


def _land(flying: deque[openvino.InferRequest]) -> Vectors:
    """The vectors of the oldest batch, once they are computed."""
    request = flying.popleft()
    request.wait()
    vectors: Vectors = request.get_output_tensor().data.copy()
    return vectors
