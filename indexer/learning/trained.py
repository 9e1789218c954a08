"""The record of one trained model or map: its data, its method, and how good it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, TypeAlias

from indexer.errors import Damaged, OtherFormat
from indexer.learning.split import Splitting

Setting: TypeAlias = str | int | float | bool | None

FORMAT: Final = 1


class TrainedKind(StrEnum):
    """The kinds of trained things: a model, a static one, or a map.

    An adapter maps queries' vectors; a distance is a model that maps another's, on both sides.
    """

    MODEL = "model"
    STATIC = "static"
    ADAPTER = "adapter"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class Base:
    """The model that training began with, by its name and mark.

    ``collection`` is the collection it was trained for, None if for none.
    """

    model: str
    mark: str
    dimension: int
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The data of a training: ``sha256`` is of all that was read, ``rejected`` counts its lines."""

    source: str
    sha256: str
    queries: int = 0
    pairs: int = 0
    documents: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure before and after training, a mean over this many queries.

    ``split`` says which queries: ``queries`` and ``documents`` are those held out by query and by
    document (see indexer.learning.split). ``p`` is of the difference, None if it was not tested; of
    figures that may not get worse (AUC, calibration error) it is one-sided, of their getting worse.
    ``mode`` is the mode of the searches, "" where none were made.
    """

    split: str
    measure: str
    before: float
    after: float
    queries: int
    p: float | None = None
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision; ``reasons`` say why it refused, ``advice`` what would help.

    ``tried`` is the number of candidates that were tried on the same data, ``case`` a sentence on
    which held-out queries those at hand are like, ``notes`` what got worse and was let pass.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    tried: int = 1
    judged: str = ""
    at: str = ""
    case: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """One trained thing; ``made`` is a moment, ``seconds`` the time that training took."""

    name: str
    kind: TrainedKind
    method: str
    base: Base
    data: TrainingData
    settings: Mapping[str, Setting] = field(default_factory=dict)
    splitting: Splitting = field(default_factory=Splitting)
    figures: tuple[Figure, ...] = ()
    verdict: Verdict | None = None
    made: str = ""
    seconds: float = 0.0

    def encode(self) -> str:
        """The record as JSON, indented, since people read it too."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    @property
    def digest(self) -> str:
        """A text that tells it from what was trained otherwise, whenever and by whatever name."""
        plain = replace(self, figures=(), verdict=None, name="", made="", seconds=0.0)
        return sha256(plain.encode().encode()).hexdigest()

    @classmethod
    def decode(cls, encoded: str) -> Trained:
        """The record that :meth:`encode` wrote; raises Damaged or OtherFormat."""
        try:
            fields = json.loads(encoded)
            if fields.pop("format") != FORMAT:
                raise OtherFormat("another version of Bearing wrote it")
            return cls(**_parsed(fields))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"it is no record of a training ({error})") from error


def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
    verdict = fields["verdict"]
    return {
        **fields,
        "kind": TrainedKind(fields["kind"]),
        "base": Base(**fields["base"]),
        "data": TrainingData(**fields["data"]),
        "splitting": Splitting(**fields["splitting"]),
        "figures": tuple(Figure(**one) for one in fields["figures"]),
        "verdict": None if verdict is None else _verdict(verdict),
    }


def _verdict(fields: dict[str, Any]) -> Verdict:
    several = ("reasons", "advice", "notes")
    return Verdict(**{**fields, **{name: tuple(fields.get(name, ())) for name in several}})
