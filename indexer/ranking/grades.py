"""The quality of a hit in a word, by how often hits like it are judged relevant.

Hits are like each other by two things: by how much their cosine is above what a query to which
nothing is related typically finds in the same collection (see significance), and by their place.
So the word says the same in collections that lie closer together or further apart. The constants
are learned by logistic regression for one model, of which they are; for other models there is no
word until ``bearing calibrate`` has learned from judged queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.embedder import Identity
from indexer.queries import Grade
from indexer.ranking.significance import Background

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]

STRONG: Final = 0.5
FAIR: Final = 0.15
"""The least relevance of a hit that is called so; one of less is weak."""


@dataclass(frozen=True, slots=True)
class ShippedCurve:
    """Relevance by margin and place: log odds = ``margin`` m - ``place`` log(place) + intercept.

    m is the cosine less what the best hit of an unrelated query typically has.
    """

    margin: float
    place: float
    intercept: float

    def relevance(self, margins: Floats, places: Places) -> Floats:
        """(n,) in (0, 1): it rises with the margin, and falls with the place."""
        odds = self.margin * margins - self.place * np.log(places) + self.intercept
        relevance: Floats = 1.0 / (1.0 + np.exp(-odds))
        return relevance


SHIPPED: Final[Mapping[str, ShippedCurve]] = MappingProxyType(
    {
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": ShippedCurve(
            9.1, 1.2, -2.5
        ),
    }
)
"""Curves by the SHA-256 of a model's weights.

The first is of all-MiniLM-L6-v2: learned from the ten best hits of 300 sentences of the STS
benchmark (relevant: pairs of at least 4 of 5), 51 captions of COCO (relevant: captions of the same
photo) and 300 headings of technical documentation (relevant: the passage below it), each of these
sets with equal weight. It was tried on SciFact and Cranfield, with the places of dense rankings and
with those of hybrid ones: see docs/searching.md.
"""


def grade_of(relevance: float) -> Grade:
    """The grade of a hit of this relevance."""
    if relevance >= STRONG:
        return Grade.STRONG
    return Grade.FAIR if relevance >= FAIR else Grade.WEAK


def shipped_relevance(
    identity: Identity, background: Background | None
) -> Callable[[Floats, Places], Floats] | None:
    """Relevance by cosine and place in a collection with a background; None if not known."""
    curve = SHIPPED.get(identity.weights)
    if curve is None or background is None:
        return None
    typical = background.typical
    return lambda cosines, places: curve.relevance(cosines - typical, places)
