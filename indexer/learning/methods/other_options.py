"""The options of the methods ``moco``, ``simclr`` and ``clip``, the last also of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from indexer.errors import InvalidInput
from indexer.learning.options import Tuning, check_at_least, check_between


@dataclass(frozen=True, slots=True)
class MomentumOptions(Tuning):
    """The options of MoCo.

    ``queue`` is the number of texts kept as negatives, ``momentum`` the share of its own weights
    that the second model keeps at each step; for ``near_duplicate`` see ContrastiveOptions.
    """

    temperature: float = 0.05
    learn_temperature: bool = False
    queue: int = 2_048
    momentum: float = 0.99
    near_duplicate: float = 0.98

    def __post_init__(self) -> None:
        Tuning.__post_init__(self)
        check_between("temperature", self.temperature, 0.01, 10)
        check_between("momentum", self.momentum, 0, 1)
        check_at_least(self, queue=1)


@dataclass(frozen=True, slots=True)
class ViewsOptions(Tuning):
    """The options of SimCLR.

    ``views`` is how two views of a text differ: by dropout, by crops, which have between
    ``least_share`` and ``most_share`` of the words, or by both.
    """

    temperature: float = 0.05
    learn_temperature: bool = False
    views: str = "dropout"
    least_share: float = 0.3
    most_share: float = 0.8
    dropout: bool = True
    learning_rate: float = 1e-5
    epochs: float = 1.0

    def __post_init__(self) -> None:
        Tuning.__post_init__(self)
        check_between("temperature", self.temperature, 0.01, 10)
        if self.views not in ("dropout", "crops", "both"):
            raise InvalidInput(f"views must be dropout, crops or both, got {self.views!r}")
        check_between("most_share", self.most_share, 0.05, 1)
        check_between("least_share", self.least_share, 0.05, self.most_share)


@dataclass(frozen=True, slots=True)
class ClipOptions(Tuning):
    """The options of CLIP's method.

    ``temperature`` is the one that learning starts with. With two ``towers`` queries and documents
    have weights of their own, which begin equal; with one they share them.
    """

    temperature: float = 0.07
    towers: int = 1

    def __post_init__(self) -> None:
        Tuning.__post_init__(self)
        check_between("temperature", self.temperature, 0.01, 10)
        check_between("towers", self.towers, 1, 2)
        if self.towers == 2 and self.frozen_layers:
            raise InvalidInput("two towers have no frozen_layers in common: give one or the other")


_FROZEN: Final = MappingProxyType(
    {"epochs": 30.0, "batch": 128, "learning_rate": 1e-3, "weight_decay": 0.05}
)
_TRAINED: Final = MappingProxyType(
    {"epochs": 2.0, "batch": 32, "learning_rate": 3e-5, "weight_decay": 0.01}
)


@dataclass(frozen=True, slots=True)
class PictureOptions(Tuning):
    """The options of CLIP's method on pictures with captions.

    With ``frozen`` towers a projection of each is trained, to vectors of ``size`` components, that
    of pictures through a layer of ``hidden``, 0 for none, and with the share ``left_out`` of its
    inputs left out by chance. ``near_duplicate`` is as in ContrastiveOptions, also of captions. Of
    the first four, 0 stands for what suits towers that are frozen, or trained.
    """

    epochs: float = 0.0
    batch: int = 0
    learning_rate: float = 0.0
    weight_decay: float = 0.0
    evaluations: int = 12
    temperature: float = 0.07
    near_duplicate: float = 0.95
    frozen: bool = True
    size: int = 256
    hidden: int = 512
    left_out: float = 0.3

    def __post_init__(self) -> None:
        for name, value in (_FROZEN if self.frozen else _TRAINED).items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        Tuning.__post_init__(self)
        check_between("temperature", self.temperature, 0.01, 10)
        check_between("left_out", self.left_out, 0, 0.9)
        check_at_least(self, size=2, hidden=0)
