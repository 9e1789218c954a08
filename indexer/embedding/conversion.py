"""Torch models to OpenVINO graphs, kept on disk: converted once, checked, then trusted.

An entry of the cache is a folder, named by a digest of the model's weights and setup, the
versions of what converts and this recipe. It holds the graph, the tokenizer and a manifest, so
that starting from it needs neither torch nor transformers. It appears by one rename: whole or
not at all, whoever else is converting.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.checkpoint import Checkpoint, digest_file, sha256_file
from indexer.embedding.embedder import Role
from indexer.embedding.tokenizing import ModelTokenizer, Setup
from indexer.errors import ModelError, StorageFailed

if TYPE_CHECKING:
    import openvino
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

RECIPE: Final = 1
"""Raise it when what is written here changes: older entries are then not found."""

GRAPH, WEIGHTS, TOKENIZER, MANIFEST = "graph.xml", "graph.bin", "tokenizer.json", "manifest.json"
UNFINISHED: Final = ".converting-"
DAY_SECONDS: Final = 86_400


class Unconvertible(ModelError):
    """A model that has no OpenVINO graph, or whose graph gives other vectors; says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A converted model: its graph's file, and what else is needed to run and to check it.

    ``references`` are sentence-transformers' float32 vectors of PROBES by role.
    """

    graph: Path
    setup: Setup
    references: Mapping[Role, Vectors]


def entry_folder(checkpoint: Checkpoint, cache: Path) -> Path:
    """Where the model's entry is, or would be."""
    versions = [importlib.metadata.version(name) for name in ("openvino", "sentence-transformers")]
    key = "\n".join([checkpoint.weights, checkpoint.setup, str(RECIPE), *versions])
    return cache / "models" / hashlib.sha256(key.encode()).hexdigest()[:32]


def read_entry(folder: Path, cache: Path) -> Entry | None:
    """The entry in this folder; None if there is none or it is damaged.

    Raises Unconvertible if the entry says that conversion was tried in vain.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if reason := manifest.get("unconvertible"):
            raise Unconvertible(reason)
        for name, digest in manifest["files"].items():
            if digest_file(folder / name, cache) != digest:
                log.warning("the converted model in %s is damaged: converting anew", folder)
                return None
        tokenizer = (folder / TOKENIZER).read_text("utf-8")
        setup = Setup(tokenizer=tokenizer, **manifest["setup"])
        references = {
            Role(role): np.asarray(rows, np.float32)
            for role, rows in manifest["references"].items()
        }
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the converted model in %s is damaged (%s): converting anew", folder, error)
        return None
    return Entry(folder / GRAPH, setup, references)


def convert(checkpoint: Checkpoint, folder: Path) -> None:
    """Convert the model and put its entry into this folder.

    An entry that says so is left for a model that will not convert. Raises ModelError if the
    model does not load, StorageFailed if the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as unfinished:
            work = Path(unfinished) / "entry"
            work.mkdir()
            _write_manifest(work, _fill(checkpoint, work))
            _publish(work, folder)
    except OSError as error:
        raise StorageFailed(
            f"the model cache {folder.parent} cannot be written ({error}): give another place "
            "with BEARING_CACHE"
        ) from error


def _fill(checkpoint: Checkpoint, work: Path) -> dict[str, Any]:
    """Write graph and tokenizer; the manifest of what was written."""
    from indexer.embedding.pytorch import describe, encode_probes, load_model

    model = load_model(checkpoint, "cpu")
    setup = describe(model)
    references = encode_probes(model)
    try:
        graph = trace(model, setup)
    except Unconvertible as error:
        return {"unconvertible": str(error)}
    save_graph(graph, work / GRAPH)
    (work / TOKENIZER).write_text(setup.tokenizer, "utf-8")
    fields = asdict(setup)
    del fields["tokenizer"]
    return {
        "setup": fields,
        "references": {role.value: rows.tolist() for role, rows in references.items()},
        "files": {name: sha256_file(work / name) for name in (GRAPH, WEIGHTS, TOKENIZER)},
    }


def save_graph(graph: openvino.Model, path: Path) -> None:
    """Write a graph with its weights as they are, beside it with the suffix .bin."""
    import openvino

    openvino.save_model(graph, path, compress_to_fp16=False)


def _write_manifest(work: Path, manifest: Mapping[str, Any]) -> None:
    (work / MANIFEST).write_text(json.dumps(manifest))
    for path in (*work.iterdir(), work):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(work: Path, folder: Path) -> None:
    """Move the finished entry to its place, over none or a damaged one."""
    try:
        work.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Either another process was faster, or the entry there is damaged: both may go, since
        # whoever has it open keeps its files.
        folder.rename(work.parent / "replaced")
        work.rename(folder)
    _sync(folder.parent)


def _sweep(models: Path) -> None:
    """Remove what conversions left behind that were killed long ago."""
    for leftover in models.glob(f"{UNFINISHED}*"):
        if time.time() - leftover.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def condemn(folder: Path, reason: str) -> None:
    """Leave an entry that says why the model is not to be converted."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as unfinished:
        work = Path(unfinished) / "entry"
        work.mkdir()
        _write_manifest(work, {"unconvertible": reason})
        _publish(work, folder)


def trace(model: SentenceTransformer, setup: Setup) -> openvino.Model:
    """The whole model, pooling and normalising included, as a graph of dynamic shape.

    Inputs are ``ids`` and ``mask``, (n, length) int32, and ``pooled`` like ``mask`` where prompts
    are not pooled; the output is (n, dimension) float32. Raises Unconvertible.
    """
    import openvino.frontend
    import torch
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from sentence_transformers.base.modules import Router

    from indexer.embedding.pytorch import hushed

    if any(isinstance(module, Router) for module in model.modules()):
        raise Unconvertible("it routes queries and documents through different modules")
    if not hasattr(model.tokenizer, "pad_token_id"):
        raise Unconvertible("its first module takes no padded batches of tokens")
    frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    try:
        with hushed(), torch.inference_mode():
            # The frontend itself, since openvino.convert_model would report to its maker.
            decoder = TorchScriptPythonDecoder(_whole(model, setup), example_input=_example(setup))
            graph = frontend.convert(frontend.load(decoder))
    except (ArithmeticError, AttributeError, LookupError) as error:
        raise Unconvertible(_first_line(error)) from error
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise Unconvertible(_first_line(error)) from error
    return graph


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _example(setup: Setup) -> dict[str, Any]:
    """Two texts of unequal length, so that no dimension is taken for a constant."""
    import torch

    tokenizer = ModelTokenizer(setup)
    texts = ["A text to be traced through the model.", "Another"]
    pairs = tokenizer.ids(texts, Role.DOCUMENT)
    longest = max(len(ids) for ids, _ in pairs)
    rows = [np.pad(ids, (0, longest - len(ids)), constant_values=setup.pad_id) for ids, _ in pairs]
    mask = np.arange(longest) < np.asarray([[len(ids)] for ids, _ in pairs])
    example = {
        "ids": torch.from_numpy(np.stack(rows).astype(np.int32)),
        "mask": torch.from_numpy(mask.astype(np.int32)),
    }
    return example if setup.poolable_prompt else {**example, "pooled": example["mask"].clone()}


def _whole(model: SentenceTransformer, setup: Setup) -> Any:  # noqa: ANN401 - torch has no types here
    """The model as a module from tensors to unit vectors."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(model.children())

        def forward(
            self, ids: torch.Tensor, mask: torch.Tensor, pooled: torch.Tensor | None = None
        ) -> torch.Tensor:
            features = {"input_ids": ids.long(), "attention_mask": mask.long()}
            for position, part in enumerate(self.parts):
                if position == 1 and pooled is not None:
                    features["attention_mask"] = pooled.long()
                features = part(features)
            vectors = features["sentence_embedding"][:, : setup.dimension]
            return torch.nn.functional.normalize(vectors.float(), p=2, dim=1)

    return Whole().eval()
