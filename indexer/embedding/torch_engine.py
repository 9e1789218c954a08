"""The torch engine: any text model that sentence-transformers loads, on any device.

It is the reference that other engines are checked against, and converted from. Remote code is
never run and pickled weights are never read.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.acceptance import CHECK_TEXTS, FAITHFUL_COSINE, worst_cosine
from indexer.embedding.backends import Unsuitable
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.checkpoint import DEFAULT_MODEL, Checkpoint
from indexer.embedding.embedder import CANARY_COSINE, Modality, Precision, Runtime, TextRole
from indexer.embedding.engine import EngineEmbedder, assemble
from indexer.embedding.images.torch_tower import TorchTower, worst_of
from indexer.embedding.images.tower import ImageTower
from indexer.embedding.images.towers import is_padded, text_tower
from indexer.embedding.tokenizer import Ids, ModelTokenizer, Setup
from indexer.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer

log = logging.getLogger(__name__)

UNBOUNDED: Final = 8192
"""The window of a model that declares none."""

CPU_BUDGET: Final = 4096
GPU_BUDGET: Final = 65_536

DOCUMENT_PROMPTS: Final = ("document", "passage", "corpus")
"""The prompts that sentence-transformers' encode_document looks for, in this order."""


def open_torch(checkpoint: Checkpoint, precision: Precision, threads: int) -> EngineEmbedder:
    """The model on the best device available; ``threads`` of 0 leaves the number to torch.

    AUTO is float32 on a CPU and, on a GPU, float16 where the canaries keep their float32 vectors.
    Raises ModelError.
    """
    need_torch(checkpoint)
    import torch

    if precision is Precision.INT8:
        raise ModelError("int8 needs the openvino backend: torch runs bf16 or f32")
    if threads:
        torch.set_num_threads(threads)
    whole = load_model(checkpoint)
    model = text_tower(whole)
    setup = describe(model)
    reference = encode_check_texts(model)
    images = images_of(checkpoint, whole)
    for dtype in _dtypes(model, precision):
        engine = TorchEngine(model.to(dtype), setup)
        embedder = assemble(checkpoint, setup, engine)
        worst = worst_cosine(embedder, reference)
        if images is not None:
            tower = images.opened(dtype)
            embedder = embedder.seeing(tower)
            worst = min(worst, worst_of(tower, images.reference))
        floor = CANARY_COSINE if precision is Precision.BF16 else FAITHFUL_COSINE
        if worst >= floor:
            return embedder
    raise ModelError(
        f"model {checkpoint.name!r} on torch gives other vectors than sentence-transformers' own "
        f"encode (cosine {worst:.5f} on known texts): its tokenizer or inputs are not supported"
    )


def _dtypes(model: SentenceTransformer, precision: Precision) -> list[torch.dtype]:
    import torch

    if precision is Precision.BF16:
        return [torch.bfloat16]
    reduced = precision is Precision.AUTO and model.device.type == "cuda"
    return [torch.float16, torch.float32] if reduced else [torch.float32]


@contextmanager
def hushed() -> Iterator[None]:
    """Silence the model libraries' progress bars and their warnings about their own code."""
    from transformers.utils.logging import (
        disable_progress_bar,
        enable_progress_bar,
        is_progress_bar_enabled,
    )

    shown, level = is_progress_bar_enabled(), logging.root.manager.disable
    disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        if shown:
            enable_progress_bar()  # type: ignore[no-untyped-call]


def load_model(checkpoint: Checkpoint, device: str | None = None) -> SentenceTransformer:
    """The model in float32, from its folder alone. Raises ModelError."""
    need_torch(checkpoint)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import torch
    from sentence_transformers import SentenceTransformer

    try:
        with hushed():
            model = SentenceTransformer(
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
    return model.float().eval()


def need_torch(checkpoint: Checkpoint) -> None:
    """Raise ModelError if torch is not installed, as in the smaller container image."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            f"model {checkpoint.name!r} has to be run or converted by torch, which is not "
            f"installed here: install torch and transformers (an image has them if it is built "
            f"with --build-arg TORCH=with), or use {DEFAULT_MODEL} with the openvino backend"
        ) from error


def unloadable(checkpoint: Checkpoint, error: Exception) -> ModelError:
    """The error of a model that was not loaded, with the reason."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"sentence-transformers cannot load model {checkpoint.name!r} from {checkpoint.folder} "
        f"(remote code and pickled weights are refused): {lines[0]}"
    )


def describe(model: SentenceTransformer) -> Setup:
    """The tokenizer and settings of the model. Raises ModelError for an unsupported tokenizer."""
    import tokenizers

    pooling = _pooling(model)
    modes = getattr(pooling, "pooling_mode", "none")
    window = model.max_seq_length
    if isinstance(model.tokenizer, tokenizers.Tokenizer):  # a static model's, which may cut texts
        window = (model.tokenizer.truncation or {}).get("max_length")
    return Setup(
        tokenizer=tokenizer_json(model),
        prompts=_prompts(model),
        window=int(window) if window and 0 < window <= 1 << 20 else UNBOUNDED,
        dimension=int(model.get_embedding_dimension() or 0),
        pooling=modes if isinstance(modes, str) else "+".join(modes),
        pad_id=int(getattr(model.tokenizer, "pad_token_id", None) or 0),
        poolable_prompt=getattr(pooling, "include_prompt", True),
        padded=is_padded(model),
    )


def _pooling(model: SentenceTransformer) -> torch.nn.Module | None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    return next((module for module in model.modules() if isinstance(module, Pooling)), None)


def tokenizer_json(model: SentenceTransformer | CrossEncoder) -> str:
    """The model's tokenizer as JSON of the tokenizers library; raises ModelError if it has none."""
    import tokenizers

    tokenizer = model.tokenizer
    if isinstance(tokenizer, tokenizers.Tokenizer):  # static embeddings add no special tokens
        bare = tokenizers.Tokenizer.from_str(tokenizer.to_str())
        bare.post_processor = None
        return bare.to_str()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, tokenizers.Tokenizer):
        raise ModelError(
            f"the model's tokenizer, {type(tokenizer).__name__}, is not one of the tokenizers "
            "library: save the model with a fast tokenizer (tokenizer.json)"
        )
    return backend.to_str()


def _prompts(model: SentenceTransformer) -> dict[str, str]:
    """The prompt of each role, as encode_query and encode_document choose it."""
    known = {name: prompt or "" for name, prompt in model.prompts.items()}
    names = {
        TextRole.QUERY: "query" if "query" in known else model.default_prompt_name,
        TextRole.DOCUMENT: next(
            (n for n in DOCUMENT_PROMPTS if n in known), model.default_prompt_name
        ),
    }
    return {role.value: known[name] if name else "" for role, name in names.items()}


def images_of(checkpoint: Checkpoint, model: SentenceTransformer) -> TorchTower | None:
    """The images' half of a model that is loaded; None, with a warning, if it is not supported."""
    if not checkpoint.images:
        return None
    try:
        if checkpoint.images_folder != checkpoint.folder and Modality.IMAGE not in model.modalities:
            model = load_model(replace(checkpoint, folder=checkpoint.images_folder))
        return TorchTower(checkpoint, model)
    except (Unsuitable, MissingExtra) as problem:
        log.warning("model %s embeds texts only here: %s", checkpoint.name, problem)
        return None


def open_torch_images(checkpoint: Checkpoint) -> ImageTower | None:
    """The images' half of a model in float32; None, with a warning, if it is not supported."""
    import torch

    found = images_of(checkpoint, load_model(replace(checkpoint, folder=checkpoint.images_folder)))
    return found.opened(torch.float32) if found else None


def encode_check_texts(model: SentenceTransformer) -> dict[TextRole, Vectors]:
    """The unit vectors that sentence-transformers itself gives CHECK_TEXTS, a text at a time."""
    encoders = {TextRole.QUERY: model.encode_query, TextRole.DOCUMENT: model.encode_document}
    # A bare string may be taken for the address of an image by a model that embeds images.
    sees = Modality.IMAGE in model.modalities
    given = [{"text": text} for text in CHECK_TEXTS] if sees else list(CHECK_TEXTS)
    return {
        role: encode(given, batch_size=1, normalize_embeddings=True, show_progress_bar=False)
        for role, encode in encoders.items()
    }


class TorchEngine:
    """A sentence-transformers model that takes tokens."""

    def __init__(self, model: SentenceTransformer, setup: Setup) -> None:
        self._model = model
        self._dimension = setup.dimension
        self._static = not hasattr(model.tokenizer, "pad_token_id")
        self._prompt_lengths = self._count_prompts(setup)
        self._pad_id = setup.pad_id
        self._budget = GPU_BUDGET if model.device.type == "cuda" else CPU_BUDGET

    @staticmethod
    def _count_prompts(setup: Setup) -> dict[TextRole, int]:
        if setup.poolable_prompt:
            return {}
        tokenizer = ModelTokenizer(setup)
        return {role: tokenizer.prompt_length(role) for role in TextRole}

    @property
    def runtime(self) -> Runtime:
        """Torch and its device."""
        import torch

        names = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
        dtype = next((p.dtype for p in self._model.parameters()), torch.float32)
        return Runtime("torch", str(self._model.device), names[dtype], torch.get_num_threads())

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterator[Batch]:
        """The sequences in batches of at most the tokens that suit the device."""
        return plan_batches(sequences, places, self._budget, self._pad_id)

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors."""
        return ((batch, self._forward(batch, role)) for batch in batches)

    def _forward(self, batch: Batch, role: TextRole) -> Vectors:
        import torch

        with torch.inference_mode():
            result: Vectors = self.unit_vectors(batch, role).cpu().numpy()
        return result

    def unit_vectors(self, batch: Batch, role: TextRole) -> torch.Tensor:
        """(rows, d) float32 of unit length, with gradients where torch takes them."""
        import torch

        features = self._model(self._features(batch, role), task=role.value)
        vectors = features["sentence_embedding"][:, : self._dimension]
        return torch.nn.functional.normalize(vectors.float(), dim=1)

    def _features(self, batch: Batch, role: TextRole) -> dict[str, Any]:
        import torch

        device = self._model.device
        real = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
        if self._static:
            ends = np.cumsum(batch.lengths)
            flat, starts = batch.ids[real], ends - batch.lengths
            return {
                "input_ids": torch.from_numpy(flat.astype(np.int64)).to(device),
                "offsets": torch.from_numpy(starts.astype(np.int64)).to(device),
            }
        features: dict[str, Any] = {
            "input_ids": torch.from_numpy(batch.ids.astype(np.int64)).to(device),
            "attention_mask": torch.from_numpy(real.astype(np.int64)).to(device),
        }
        if length := self._prompt_lengths.get(role):
            features["prompt_length"] = length
        return features

    def warm(self) -> None:
        """Nothing to prepare: torch takes any shape."""

    def close(self) -> None:
        """Drop the model."""
        del self._model
