"""The settings of the library, read from the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import platformdirs

from indexer.embedding.checkpoint import DEFAULT_MODEL
from indexer.embedding.embedder import Backend, Precision
from indexer.engines import scheme_of
from indexer.errors import InvalidInput
from indexer.index_choice import IndexChoice, IndexKind, Language

_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of the library; each field is the variable BEARING_<FIELD>.

    ``data`` is a folder, or a URL: see indexer.engines. ``models`` is the folder of trained models,
    None for the one beside the collections. The tolerances are the gate's, for promoted models.
    """

    data: Path | str = Path("data")
    cache: Path = Path(platformdirs.user_cache_dir("bearing"))
    model: str = DEFAULT_MODEL
    model_key: str = field(default="", repr=False)
    backend: Backend = Backend.AUTO
    precision: Precision = Precision.AUTO
    threads: int = 0
    memory_mb: int = 0
    index: IndexKind = IndexKind.AUTO
    target_recall: float = 0.99
    index_memory_mb: int = 0
    language: Language = Language.ENGLISH
    reranker: str = ""
    models: Path | None = None
    auc_tolerance: float = 0.01
    calibration_tolerance: float = 0.02
    require_sync: bool = False
    max_megapixels: int = 50

    @property
    def max_pixels(self) -> int:
        """The pixels of the largest image that is decoded."""
        return self.max_megapixels * 1_000_000

    @property
    def index_choice(self) -> IndexChoice:
        """The index that collections keep, unless one was chosen for them."""
        megabytes = self.index_memory_mb
        return IndexChoice(self.index, self.target_recall, megabytes * 1_000_000 or None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: object) -> Self:
        """The settings given (not None), else the environment's, else the defaults.

        Raises InvalidInput, which names the variable and what is allowed.
        """
        config = cls()
        for name, read in _READERS.items():
            variable = f"BEARING_{name.upper()}"
            value = given.pop(name, None)
            if value is None:
                value = environment.get(variable) or None
            if value is not None:
                config = replace(config, **{name: read(variable, str(value))})
        if given:
            raise TypeError(f"no such settings: {', '.join(given)}")
        return config


def _path(_: str, value: str) -> Path:
    return Path(value).expanduser()


def place_of(_: str, value: str) -> Path | str:
    """A folder, or a URL unchanged; raises InvalidInput for a URL that no engine has."""
    return value if scheme_of(value) else _path("", value)


def _text(_: str, value: str) -> str:
    return value


def _flag(variable: str, value: str) -> bool:
    if value not in ("0", "1"):
        raise InvalidInput(f"{variable} must be 0 or 1; got {value!r}")
    return value == "1"


def _count(variable: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        raise InvalidInput(f"{variable} must be a whole number of 1 to 6 digits; got {value!r}")
    return int(value)


def _kind(variable: str, value: str) -> IndexKind:
    return _member(IndexKind, variable, value)


def _language(variable: str, value: str) -> Language:
    return _member(Language, variable, value)


def _share(variable: str, value: str) -> float:
    share = _number(value)
    if not 0 < share < 1:
        raise InvalidInput(f"{variable} must be a number above 0 and below 1; got {value!r}")
    return share


def _tolerance(variable: str, value: str) -> float:
    bound = _number(value)
    if not 0 <= bound <= 1:
        raise InvalidInput(f"{variable} must be a number from 0 to 1; got {value!r}")
    return bound


def _number(value: str) -> float:
    """The number that a text says, NaN if none."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def _backend(variable: str, value: str) -> Backend:
    return _member(Backend, variable, value)


def _precision(variable: str, value: str) -> Precision:
    return _member(Precision, variable, value)


def _member(members: type[_Member], variable: str, value: str) -> _Member:
    try:
        return members(value.lower())
    except ValueError:
        allowed = ", ".join(members)
        raise InvalidInput(f"{variable} must be one of {allowed}; got {value!r}") from None


_READERS: Final[Mapping[str, Any]] = {
    "data": place_of,
    "cache": _path,
    "model": _text,
    "model_key": _text,
    "backend": _backend,
    "precision": _precision,
    "threads": _count,
    "memory_mb": _count,
    "index": _kind,
    "target_recall": _share,
    "index_memory_mb": _count,
    "language": _language,
    "reranker": _text,
    "models": _path,
    "auc_tolerance": _tolerance,
    "calibration_tolerance": _tolerance,
    "require_sync": _flag,
    "max_megapixels": _count,
}
assert set(_READERS) == {field.name for field in fields(Config)}
