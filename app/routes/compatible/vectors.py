"""What the routes that embed have in common: limits on texts, and shorter texts and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.limits import check_characters
from app.service import Model, Service
from app.settings import PREFIX
from indexer.documents import Vectors, normalise
from indexer.embedding.embedder import Role, Tokens
from indexer.errors import InvalidInput


def check_texts(name: str, texts: Sequence[str], service: Service) -> None:
    """Raise TooLarge, which names the place, unless each of these may be so long."""
    for place, text in enumerate(texts):
        check_characters(f"{name}[{place}]", text, service.settings)


async def check_dimension(wanted: int | None, model: Model, service: Service) -> None:
    """Raise InvalidInput unless a model's vectors may be cut to this dimension."""
    own = model.embedder.identity.dimension
    if wanted in (None, own):
        return
    allowed = [own]
    configured = await service.reads.run(service.library.model, service.settings.model)
    if model.embedder.identity.fingerprint == configured.identity.fingerprint:
        allowed += [each for each in service.settings.matryoshka_dimensions if each < own]
    if wanted not in allowed:
        raise InvalidInput(
            f"dimensions: {wanted}, but vectors of {model.name!r} have {_listed(allowed)}; a model "
            f"that was trained for shorter ones is cut where {PREFIX}MATRYOSHKA_DIMENSIONS allows"
        )


def _listed(dimensions: Sequence[int]) -> str:
    return " or ".join(str(each) for each in sorted(set(dimensions)))


def cut(vectors: Vectors, dimension: int | None) -> Vectors:
    """(n, dimension) unit rows: the first components, scaled to unit length again.

    Kusupati et al., Matryoshka Representation Learning, 2022.
    """
    if dimension in (None, vectors.shape[1]):
        return vectors
    return normalise(vectors[:, :dimension])


@dataclass(frozen=True, slots=True)
class Fitted:
    """Texts that fit, and the places of those that were cut to fit."""

    texts: Sequence[str]
    cut: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """What is kept of a text: its first (or last) ``tokens``, the whole window if None."""

    role: Role = Role.DOCUMENT
    tokens: int | None = None
    keep_end: bool = False
    refuse: bool = False

    async def apply(
        self, name: str, texts: Sequence[str], model: Model, service: Service
    ) -> Fitted:
        """The texts cut to fit; raises InvalidInput, which names the place, if to be refused."""
        if not (self.keep_end or self.refuse or self.tokens):
            return Fitted(texts)  # the model leaves their ends out itself, and says of which
        empty, *tokenised = await service.reads.run(
            model.embedder.tokenize, ["", *texts], self.role
        )
        room = max(1, model.embedder.identity.window - len(empty.ids))
        room = min(room, self.tokens or room)
        long = [place for place, one in enumerate(tokenised) if len(one.spans) > room]
        if long and self.refuse:
            count = len(tokenised[long[0]].spans)
            raise InvalidInput(f"{name}[{long[0]}] has {count} tokens, at most {room} fit")
        fitting = list(texts)
        for place in long:
            fitting[place] = self._cut(texts[place], tokenised[place], room)
        return Fitted(fitting, tuple(long))

    def _cut(self, text: str, tokens: Tokens, room: int) -> str:
        if not self.keep_end:
            return text[: int(tokens.spans[room - 1, 1])]
        starts = [int(start) for start in tokens.spans[-room:, 0]]
        # From the beginning of a word on, so that it comes apart into the same tokens.
        whole = (start for start in starts if text[start - 1 : start].isspace())
        return text[next(whole, starts[0]) :]
