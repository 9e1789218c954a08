"""The options of the method ``contrastive``."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.errors import InvalidInput
from indexer.learning.options import Tuning, check_at_least, check_between


@dataclass(frozen=True, slots=True)
class ContrastiveOptions(Tuning):
    """The options of contrastive learning from pairs, triplets or grades.

    ``loss`` is info_nce, triplet, cosent or angle. ``both`` lets texts find their queries, too.
    ``near_duplicate`` is the cosine from which two texts are held for one, so that neither is a
    negative of the other's query. ``negatives`` are an example's own that are used, at most;
    ``mined`` the number of further ones looked for in the collection, among hits that score less
    than ``mined_below`` times as much as the text itself. ``margin`` is of triplets. ``dimensions``
    are Matryoshka's, such as 128/64.
    """

    loss: str = "info_nce"
    temperature: float = 0.05
    learn_temperature: bool = False
    both: bool = True
    near_duplicate: float = 0.98
    negatives: int = 4
    mined: int = 0
    mined_below: float = 0.95
    margin: float = 0.2
    dimensions: str = ""

    def __post_init__(self) -> None:
        Tuning.__post_init__(self)
        if self.loss not in ("info_nce", "triplet", "cosent", "angle"):
            raise InvalidInput(
                f"loss must be info_nce, triplet, cosent or angle, got {self.loss!r}"
            )
        check_between("temperature", self.temperature, 0.01, 10)
        check_between("mined_below", self.mined_below, 0.1, 1)
        check_at_least(self, negatives=0, mined=0)
        if not all(size.isdecimal() and int(size) > 0 for size in self._sizes):
            raise InvalidInput(f"dimensions must be like 128/64, got {self.dimensions!r}")

    @property
    def _sizes(self) -> list[str]:
        return self.dimensions.split("/") if self.dimensions else []

    @property
    def matryoshka(self) -> tuple[int, ...]:
        """The sizes to which vectors may be cut."""
        return tuple(map(int, self._sizes))
