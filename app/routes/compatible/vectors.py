"""Shared by the routes that embed: models, sides, limits, shortened texts and vectors."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from app.routing.limits import check_characters
from app.schemas.base import Given
from app.serving.model import Model
from app.serving.service import Service
from app.settings import PREFIX
from indexer.documents import Vectors, normalise
from indexer.embedding.embedder import TextRole, Tokens
from indexer.errors import InvalidInput

IGNORED: Final = "x-ignored-fields"
"""The header that names the fields of a request that had no effect."""

SIDES: Final[Mapping[str, TextRole]] = {
    "query": TextRole.QUERY,
    "search_query": TextRole.QUERY,
    "retrieval.query": TextRole.QUERY,
    "document": TextRole.DOCUMENT,
    "passage": TextRole.DOCUMENT,
    "search_document": TextRole.DOCUMENT,
    "retrieval.passage": TextRole.DOCUMENT,
    "classification": TextRole.DOCUMENT,
    "clustering": TextRole.DOCUMENT,
    "separation": TextRole.DOCUMENT,
    "text-matching": TextRole.DOCUMENT,
}
"""The sides of a search as tools name them (OpenAI has no word; Cohere, Jina, Voyage have)."""


def _side_of(given: object) -> object:
    if isinstance(given, str):
        if given not in SIDES:
            raise PydanticCustomError(
                "side", "expected one of {words}", {"words": ", ".join(SIDES)}
            )
        return SIDES[given]
    return given


Side: TypeAlias = Annotated[
    TextRole,
    BeforeValidator(_side_of, json_schema_input_type=Literal[tuple(SIDES)]),
]
"""A side of a search, in any tool's word for it."""


_NULL: Final = {"type": "null"}
_TOLD: Final = frozenset({"title", "description", "default"})


class ToolBody(Given):
    """A request of a tool; null stands for a field that is left out, as many tools send it."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema, in which every field that may be left out may be null."""
        schema = handler(core_schema)
        body = handler.resolve_ref_schema(schema)
        for name, field in body.get("properties", {}).items():
            if name not in body.get("required", ()) and _NULL not in field.get("anyOf", ()):
                told = {key: field.pop(key) for key in _TOLD & field.keys()}
                body["properties"][name] = {"anyOf": [field, _NULL]} | told
        return schema


class Lenient(ToolBody):
    """A request of a tool, some of whose fields are accepted but have no effect here."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset()

    def ignored(self) -> str:
        """The names of such fields that were given, for the header ``x-ignored-fields``."""
        return ", ".join(sorted(self.PASSED_OVER & self.model_fields_set))


PassedOver: TypeAlias = Annotated[
    JsonValue | None, Field(None, description="Accepted; it makes no difference here.")
]
"""A field that is accepted and ignored."""


async def model_or_only(name: str | None, service: Service) -> Model:
    """The model with this name; without a name, the only model there is.

    Raises NotFound for a name that is not served, InvalidInput if there are several models.
    """
    if name is not None:
        return await service.model(name)
    served = await service.models()
    if len(served) != 1:
        names = ", ".join(served) or "none"
        raise InvalidInput(f"model: name one, as several are served: {names}")
    return next(iter(served.values()))


def check_texts(name: str, texts: Sequence[str], service: Service) -> None:
    """Raise TooLarge, which names the place, if one of these texts is too long."""
    for place, text in enumerate(texts):
        check_characters(f"{name}[{place}]", text, service.settings)


async def check_dimension(wanted: int | None, model: Model, service: Service) -> None:
    """Raise InvalidInput unless a model's vectors may be cut to this dimension."""
    own = model.embedder.identity.dimension
    if wanted in (None, own):
        return
    allowed = [own]
    configured = await service.configured_model()
    if configured.identity.made(model.embedder.identity.mark):
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


def base64_of(vectors: Vectors) -> list[str]:
    """Each of (n, d) rows as its little-endian float32 bytes in base64."""
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Texts that fit, and the places of those that were cut to fit."""

    texts: Sequence[str]
    cut: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """The part of a text to keep: its first (or last) ``tokens``, the whole window if None."""

    role: TextRole = TextRole.DOCUMENT
    tokens: int | None = None
    keep_end: bool = False
    refuse: bool = False

    async def apply(
        self, name: str, texts: Sequence[str], model: Model, service: Service
    ) -> Fitted:
        """The texts cut to fit; raises InvalidInput, naming the place, for one to be refused."""
        if not (self.keep_end or self.refuse or self.tokens):
            return Fitted(texts)  # the model truncates them itself, and reports it
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
        # From the beginning of a word, so that it splits into the same tokens.
        whole = (start for start in starts if text[start - 1 : start].isspace())
        return text[next(whole, starts[0]) :]
