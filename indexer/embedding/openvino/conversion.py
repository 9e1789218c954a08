"""Torch models to OpenVINO graphs: traced whole, then checked against sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.acceptance import FAITHFUL_COSINE, worst_cosine
from indexer.embedding.backends import Unsuitable
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import Precision, TextRole
from indexer.embedding.engine import assemble
from indexer.embedding.images.towers import text_tower
from indexer.embedding.openvino.engine import CompiledEngine
from indexer.embedding.openvino.no_telemetry import forbid_telemetry
from indexer.embedding.tokenizer import ModelTokenizer, Setup

if TYPE_CHECKING:
    import openvino
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer

ATTENTIONS: Final = ("sdpa", "eager")
"""Implementations of attention in the graph, faster first. Where a padded row may attend to
nothing, as in ModernBERT's local layers, the first gives NaN in OpenVINO, the second does not.
"""


def convert(checkpoint: Checkpoint, path: Path) -> tuple[Setup, Mapping[TextRole, Vectors]]:
    """Write the model's graph; return its setup, and float32 vectors of CHECK_TEXTS by role.

    The weights lie beside the graph, with the suffix .bin. Raises Unsuitable, or ModelError if
    the model does not load.
    """
    from indexer.embedding.torch_engine import describe, encode_check_texts, load_model

    model = text_tower(load_model(checkpoint, "cpu"))
    setup = describe(model)
    references = encode_check_texts(model)
    for attention in ATTENTIONS:
        write_graph(_trace(model, setup, attention), path)
        engine = CompiledEngine(path, setup, Precision.F32, threads=0)
        worst = worst_cosine(assemble(checkpoint, setup, engine), references)
        if worst >= FAITHFUL_COSINE:
            return setup, references
    raise Unsuitable(f"its graph gives other vectors (cosine {worst:.5f} on known texts)")


def write_graph(graph: openvino.Model, path: Path) -> None:
    """Write a graph to ``path``, and its weights beside it."""
    import openvino

    openvino.save_model(graph, path, compress_to_fp16=False)


def _trace(model: SentenceTransformer, setup: Setup, attention: str) -> openvino.Model:
    """The whole model, pooling and normalising included, as a graph of dynamic shape.

    Inputs are ``ids`` and ``mask``, (n, length) int32, and ``pooled`` like ``mask`` where prompts
    are not pooled; the output is (n, dimension) float32. Raises Unsuitable.
    """
    from sentence_transformers.base.modules import Router

    if any(isinstance(module, Router) for module in model.modules()):
        raise Unsuitable("it routes queries and documents through different modules")
    if not hasattr(model.tokenizer, "pad_token_id"):
        raise Unsuitable("its first module takes no padded batches of tokens")
    return trace(model, _whole(model, setup), _example(setup), attention)


def trace(
    model: SentenceTransformer | CrossEncoder,
    whole: torch.nn.Module,
    example: Mapping[str, torch.Tensor],
    attention: str | None,
) -> openvino.Model:
    """A model, wrapped in a module from tensors to one tensor, as a graph of dynamic shape.

    ``example`` has the module's inputs by name; None leaves the attention to the model. Raises
    Unsuitable.
    """
    forbid_telemetry()
    import openvino.frontend
    import torch
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    from indexer.embedding.torch_engine import hushed

    frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    try:
        with hushed(), torch.inference_mode():
            if model.transformers_model is not None and attention is not None:
                model.transformers_model.set_attn_implementation(attention)
            # The frontend directly, since openvino.convert_model sends telemetry.
            # Checked by known inputs afterwards, rather than by tracing it a second time.
            decoder = TorchScriptPythonDecoder(
                whole, example_input=dict(example), trace_kwargs={"check_trace": False}
            )
            graph = frontend.convert(frontend.load(decoder))
    except (ArithmeticError, AttributeError, LookupError) as error:
        raise Unsuitable(_first_line(error)) from error
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise Unsuitable(_first_line(error)) from error
    return graph


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _example(setup: Setup) -> dict[str, torch.Tensor]:
    """Two texts of unequal length, so that no dimension is traced as a constant."""
    import torch

    tokenizer = ModelTokenizer(setup)
    texts = ["A text to be traced through the model.", "Another"]
    found = [encoded.ids for encoded in tokenizer.ids(texts, TextRole.DOCUMENT)]
    longest = max(len(ids) for ids in found)
    rows = [np.pad(ids, (0, longest - len(ids)), constant_values=setup.pad_id) for ids in found]
    mask = np.arange(longest) < np.asarray([[len(ids)] for ids in found])
    example = {
        "ids": torch.from_numpy(np.stack(rows).astype(np.int32)),
        "mask": torch.from_numpy(mask.astype(np.int32)),
    }
    return example if setup.poolable_prompt else {**example, "pooled": example["mask"].clone()}


def _whole(model: SentenceTransformer, setup: Setup) -> torch.nn.Module:
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
