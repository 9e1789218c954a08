"""Judgements of users on hits, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Given, Returned, Whole
from indexer.collection.feedback import Judgement


class FeedbackBody(Given):
    """A judgement on a document for a query: exactly one of relevant, clicked and rank."""

    query: str = Field(min_length=1)
    id: str
    relevant: bool | None = None
    clicked: Literal[True] | None = None
    rank: Annotated[Whole, Field(ge=1, le=2**31)] | None = Field(
        None, description="The place, from 1, of a hit that was clicked."
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if not self.query.strip():
            raise PydanticCustomError("query", "the query is empty")
        if (self.relevant, self.clicked, self.rank).count(None) != 2:
            raise PydanticCustomError("judgement", "give exactly one of: relevant, clicked, rank")
        return self

    def to_judgement(self) -> Judgement:
        """The library's judgement."""
        return Judgement(self.query, self.id, self.relevant, self.clicked, self.rank)


class JudgementView(Returned):
    """A judgement that is kept; without the query's text where only its hash is."""

    query: str | None = None
    query_id: str | None = None
    id: str
    relevant: bool | None = None
    clicked: bool | None = None
    rank: int | None = None
