"""The options of the methods ``moco``, ``simclr`` and ``clip``."""

from __future__ import annotations

from dataclasses import dataclass

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
