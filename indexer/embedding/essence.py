"""The parts of a model's configuration and vocabulary that determine vectors.

Saving a model after use writes down the last call's padding and truncation, the options it was
loaded with and library versions, none of which affects a vector here: batches are padded behind
a mask, and texts are cut to the window. Anything not known to be irrelevant counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

TOKENIZER: Final = "tokenizer.json"
TOKENIZER_SETTINGS: Final = "tokenizer_config.json"

IGNORED: Final[Mapping[str, frozenset[str]]] = {
    "config.json": frozenset({"_name_or_path", "transformers_version"}),
    "config_sentence_transformers.json": frozenset({"__version__"}),
    TOKENIZER_SETTINGS: frozenset(
        {
            "name_or_path", "local_files_only", "is_local",
            "max_length", "stride", "truncation_strategy", "pad_to_multiple_of",
            "pad_token_type_id",
        }
    ),
}  # fmt: skip
"""Fields by file that do not affect vectors: names, versions, and settings of the last call.

Not ``model_max_length``, which may be the window.
"""

RIGHT: Final = "right"

_DECODER: Final = json.JSONDecoder()
_FRONT: Final = re.compile(r'\s*\{\s*"version":\s*"[^"]*",\s*"truncation":\s*')
_BETWEEN: Final = re.compile(r'\s*,\s*"padding":\s*')


def digest_essence(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 of the parts that determine vectors in these files of a model's folder."""
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(_essence(file)).hexdigest()
        digest.update(f"{content}  {file.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def _essence(file: Path) -> bytes:
    """The parts of a file that count: all of it if its layout is not the expected one."""
    content = file.read_bytes()
    try:
        if file.name == TOKENIZER and (file.parent / TOKENIZER_SETTINGS).is_file():
            return _split(content.decode())[1].encode()
        if file.name in IGNORED:
            return _settings(file, json.loads(content))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return content
    return content


def _settings(file: Path, fields: object) -> bytes:
    """The fields that count, in a fixed order."""
    if not isinstance(fields, dict):
        raise TypeError(f"{file} holds no object")
    kept = {name: value for name, value in fields.items() if name not in IGNORED[file.name]}
    if file.name == TOKENIZER_SETTINGS:
        kept |= _implied(file.parent / TOKENIZER, kept)
    return json.dumps(kept, sort_keys=True).encode()


def _implied(tokenizer: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The padding's sides and token: where not set, transformers takes them from the vocabulary."""
    used = _split(tokenizer.read_text("utf-8"))[0] if tokenizer.is_file() else {}
    padding, truncation = used.get("padding") or {}, used.get("truncation") or {}
    return {
        "padding_side": fields.get("padding_side", padding.get("direction", RIGHT)).lower(),
        "truncation_side": fields.get(
            "truncation_side", truncation.get("direction", RIGHT)
        ).lower(),
        "pad_token": fields.get("pad_token", padding.get("pad_token")),
    }


def _split(tokenizer: str) -> tuple[dict[str, Any], str]:
    """The settings of the last call, which the tokenizers library writes first, and the rest."""
    front = _FRONT.match(tokenizer)
    if not front:
        return {}, tokenizer
    truncation, end = _DECODER.raw_decode(tokenizer, front.end())
    between = _BETWEEN.match(tokenizer, end)
    if not between:
        return {}, tokenizer
    padding, end = _DECODER.raw_decode(tokenizer, between.end())
    return {"truncation": truncation, "padding": padding}, tokenizer[end:]
