"""The files of static models, read and written: a table of token vectors, a tokenizer, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import TextRole
from indexer.embedding.static.tensors import read_tensors, write_tensors
from indexer.embedding.tokenizer import Setup
from indexer.errors import ModelError

WINDOW: Final = 8192
"""Tokens of a text, at most, where the tokenizer sets no bound."""

DOCUMENT_PROMPTS: Final = ("document", "passage", "corpus")
"""The prompts that sentence-transformers' encode_document looks for, in this order."""

_STATIC: Final = re.compile(r"sentence_transformers\.(\w+\.)*StaticEmbedding")
_OLD_PLACE: Final = "sentence_transformers.models"
"""The package of modules in older versions, which newer ones know, too."""

_NORMALIZE: Final = re.compile(r"sentence_transformers\.(\w+\.)*Normalize")


@dataclass(frozen=True, slots=True)
class StaticModel:
    """A static model: ``table`` is (tokens, dimension) float32, mapped where the file has that."""

    setup: Setup
    table: NDArray[np.float32]


def is_static(folder: Path) -> bool:
    """Return whether a folder holds a static model, and nothing after it but a normalisation."""
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        first, *others = (str(module["type"]) for module in modules)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(_STATIC.fullmatch(first)) and all(map(_NORMALIZE.fullmatch, others))


def read_static(checkpoint: Checkpoint) -> StaticModel:
    """The model in a folder that is_static; raises ModelError."""
    try:
        settings = json.loads(
            (checkpoint.folder / "config_sentence_transformers.json").read_bytes()
        )
        modules = json.loads((checkpoint.folder / "modules.json").read_bytes())
        folder = checkpoint.folder / modules[0].get("path", "")
        tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
        window = int((tokenizer.get("truncation") or {}).get("max_length", WINDOW))
        table = _table(read_tensors(folder / "model.safetensors"), settings.get("truncate_dim"))
        prompts = _prompts(settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        problem = f"the static model in {checkpoint.folder} cannot be read: {error}"
        raise ModelError(problem) from error
    setup = Setup(_bare(tokenizer), prompts, min(window, WINDOW), table.shape[1], "none", 0)
    return StaticModel(setup, table)


def _bare(tokenizer: dict[str, Any]) -> str:
    """The tokenizer without special tokens around a text, which these models do not add."""
    return json.dumps({**tokenizer, "post_processor": None, "truncation": None, "padding": None})


def _table(tensors: Mapping[str, NDArray[Any]], dimension: int | None) -> Vectors:
    """The vectors of all tokens, of a file by sentence-transformers or by model2vec."""
    table = tensors["embedding.weight"] if "embedding.weight" in tensors else _folded(tensors)
    if table.ndim != 2:
        raise ValueError(f"its table has {table.ndim} dimensions, not 2")
    return table[:, :dimension].astype(np.float32, copy=False)


def _folded(tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The vectors that model2vec keeps apart from their weights, or once for several tokens."""
    table = tensors["embeddings"]
    if "mapping" in tensors:
        table = table[tensors["mapping"]]
    if "weights" in tensors:
        table = table.astype(np.float32) * tensors["weights"].astype(np.float32)[:, None]
    return table


def _prompts(settings: Mapping[str, Any]) -> dict[str, str]:
    """The prompt of each role, as encode_query and encode_document choose it."""
    known = {str(name): str(prompt or "") for name, prompt in settings.get("prompts", {}).items()}
    default = known.get(str(settings.get("default_prompt_name")), "")
    document = next((known[name] for name in DOCUMENT_PROMPTS if name in known), default)
    return {TextRole.QUERY.value: known.get("query", default), TextRole.DOCUMENT.value: document}


def write_static(folder: Path, table: Vectors, tokenizer: str) -> None:
    """Write a static model into a folder, as sentence-transformers loads it.

    ``tokenizer`` is JSON of the tokenizers library.
    """
    modules = [("", "StaticEmbedding"), ("1_Normalize", "Normalize")]
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"{_OLD_PLACE}.{name}"}
        for place, (path, name) in enumerate(modules)
    ]
    (folder / "1_Normalize").mkdir()
    (folder / "modules.json").write_text(json.dumps(listed, indent=2))
    named = {"default_prompt_name": None, "similarity_fn_name": "cosine"}
    settings: dict[str, Any] = {"prompts": {}, **named}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings, indent=2))
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    write_tensors(folder / "model.safetensors", {"embedding.weight": table})
