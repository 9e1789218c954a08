"""The options of a method: a frozen dataclass for each, read from words like ``epochs=2``."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol, TypeVar

from indexer.errors import InvalidInput

_Options = TypeVar("_Options")


class _Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WANTED: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
}


@dataclass(frozen=True, slots=True)
class Tuning:
    """The options of every training by gradient descent.

    ``warmup`` is the share of steps in which the rate rises, ``clip`` the longest gradient,
    ``frozen_layers`` the number of lowest layers that stay as they are, ``evaluations`` how often
    the measure is taken, ``patience`` how many may be no better before training ends. The
    gradients of a batch of more than ``cached_tokens`` are taken part by part.
    """

    epochs: float = 2.0
    batch: int = 32
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    frozen_layers: int = 0
    dropout: bool = False
    evaluations: int = 6
    patience: int = 3
    checkpoint_seconds: float = 60.0
    cached_tokens: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInput(f"{name} must be above 0, got {getattr(self, name)}")
        check_at_least(
            self, batch=2, frozen_layers=0, evaluations=1, patience=1, seed=0, weight_decay=0,
            checkpoint_seconds=0, cached_tokens=1,
        )  # fmt: skip
        check_between("warmup", self.warmup, 0, 0.9)


def check_at_least(options: object, **least: float) -> None:
    """Raise InvalidInput for an option below what is allowed."""
    for name, lowest in least.items():
        if not getattr(options, name) >= lowest:
            raise InvalidInput(f"{name} must be at least {lowest}, got {getattr(options, name)}")


def check_between(name: str, value: float, least: float, most: float) -> None:
    """Raise InvalidInput for a value out of bounds."""
    if not least <= value <= most:
        raise InvalidInput(f"{name} must be from {least} to {most}, got {value}")


def read_options(kind: type[_Options], words: Sequence[str], option: str = "--set") -> _Options:
    """The options that ``key=value`` words set, also several with commas between; else defaults.

    Raises InvalidInput, which says what is allowed.
    """
    hints = typing.get_type_hints(kind)
    names = list(hints)
    given: dict[str, Any] = {}
    for word in ",".join(words).split(",") if words else ():
        key, equals, value = word.partition("=")
        if not equals or key not in names:
            raise InvalidInput(
                f"{option} takes KEY=VALUE, with a key of {', '.join(names)}; got {key!r}"
            )
        given[key] = _read(f"{option} {key}", hints[key], value)
    return kind(**given)


def _read(name: str, kind: Any, text: str) -> object:  # noqa: ANN401 - a type's own annotation
    if issubclass(kind, StrEnum):
        if text.lower() not in list(kind):
            raise InvalidInput(f"{name} must be one of {', '.join(kind)}; got {text!r}")
        return kind(text.lower())
    try:
        value = _TRUTHS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise InvalidInput(f"{name} must be {_WANTED[kind]}; got {text!r}") from None
    if kind is float and not math.isfinite(value):
        raise InvalidInput(f"{name} must be {_WANTED[kind]}; got {text!r}")
    return value


def settings(options: _Dataclass) -> Mapping[str, str | int | float | bool | None]:
    """The options as they are recorded."""
    return {
        field.name: str(value) if isinstance(value, StrEnum) else value
        for field in fields(options)
        for value in [getattr(options, field.name)]
    }
