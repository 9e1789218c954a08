"""Float32 graphs to int8 graphs, by NNCF: faster on some CPUs, with slightly different vectors."""

from __future__ import annotations

import builtins
import inspect
from pathlib import Path
from typing import Any, Final

from indexer.embedding.batching import plan_batches
from indexer.embedding.embedder import Precision, TextRole
from indexer.embedding.openvino.engine import CompiledEngine
from indexer.embedding.openvino.no_telemetry import forbid_telemetry
from indexer.embedding.tokenizer import ModelTokenizer, Setup
from indexer.errors import MissingExtra

CALIBRATION_TOKENS: Final = 512
"""Tokens of a calibration batch; texts of like length share one."""


def quantise(graph: Path, setup: Setup, path: Path) -> None:
    """Write the graph with int8 weights and activations to ``path``.

    Ranges are calibrated on the docstrings of Python's builtins. Raises MissingExtra.
    """
    forbid_telemetry()
    try:
        import nncf  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtra("nncf", "int8") from error
    import openvino

    engine = CompiledEngine(graph, setup, Precision.F32, threads=0)
    sequences = [
        encoded.ids
        for encoded in ModelTokenizer(setup).ids(_calibration_texts(), TextRole.DOCUMENT)
    ]
    batches = list(plan_batches(sequences, range(len(sequences)), CALIBRATION_TOKENS, setup.pad_id))
    inputs = [engine.inputs(batch, TextRole.DOCUMENT) for batch in batches]
    quantised: Any = nncf.quantize(
        openvino.Core().read_model(graph),
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        model_type=nncf.ModelType.TRANSFORMER,
    )
    openvino.save_model(quantised, path, compress_to_fp16=False)


def _calibration_texts() -> list[str]:
    """English sentences that ship with every Python, whole and cut short, and single words."""
    texts = [inspect.getdoc(value) or "" for value in vars(builtins).values()]
    whole = sorted({text for text in texts if len(text) > 40})
    return ["", *dir(builtins)[::4], *whole, *(text[: len(text) // 4 + 20] for text in whole)]
