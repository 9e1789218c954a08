"""The base of all bodies: strictly checked, closed to unknown fields.

A string is not a number, an unknown field is refused with the known ones named, and no number
is NaN or infinite. Limits on one request depend on the settings: see app.routing.limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

_EXACT: Final = 2**53
"""From here on, one float stands for several integers."""


def _whole(given: object) -> object:
    is_whole = isinstance(given, float) and given.is_integer() and abs(given) < _EXACT
    return int(given) if is_whole else given  # type: ignore[call-overload]


Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""An integer; 3.0 is one too, as in JSON Schema, since JSON has one kind of number."""

Temperature: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Closed(BaseModel):
    """Input from a client: an unknown field is refused, with the known ones named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_known_fields(cls, given: object) -> object:
        if isinstance(given, Mapping) and not given.keys() <= cls.model_fields.keys():
            unknown = next(key for key in given if key not in cls.model_fields)
            raise PydanticCustomError(
                "unknown_field",
                "unknown field {unknown}; known are {known}",
                {"unknown": repr(unknown)[:80], "known": ", ".join(cls.model_fields)},
            )
        return given


class Given(Closed):
    """A request body: closed to unknown fields, and strict."""

    model_config = ConfigDict(strict=True)


class Returned(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)
