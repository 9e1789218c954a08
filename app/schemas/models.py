"""Trained models and their promotion, as sent over HTTP."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Given, Returned

if TYPE_CHECKING:
    from indexer.learning.gate.promotion import Promoted, RolledBack
    from indexer.learning.models import BrokenModel
    from indexer.learning.trained import Figure, Trained, Verdict


class FigureView(Returned):
    """A measure before and after training, over queries held out."""

    split: str = Field(description="Which queries: held out by query, by document, or of a kind.")
    measure: str
    before: float
    after: float
    queries: int
    p: float | None = Field(
        description="Of the difference, null if it was not tested; of the AUC and the calibration "
        "error it is one-sided, of their getting worse."
    )
    mode: str = Field("", description="Of the searches, dense or hybrid; empty without any.")

    @classmethod
    def of(cls, figure: Figure) -> Self:
        """The view of a figure."""
        return cls(
            split=figure.split,
            measure=figure.measure,
            before=figure.before,
            after=figure.after,
            queries=figure.queries,
            p=figure.p,
            mode=figure.mode,
        )


class VerdictView(Returned):
    """The gate's decision: why it refused, and what would help."""

    passed: bool
    reasons: list[str]
    advice: list[str]
    tried: int = Field(description="Candidates that were tried on the same judgements.")
    at: str
    case: str = Field("", description="Which held-out queries those at hand are like.")
    notes: list[str] = Field([], description="What got worse, and was let pass.")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The view of a verdict."""
        return cls(
            passed=verdict.passed,
            reasons=list(verdict.reasons),
            advice=list(verdict.advice),
            tried=verdict.tried,
            at=verdict.at,
            case=verdict.case,
            notes=list(verdict.notes),
        )


class ModelView(Returned):
    """A trained model, or a map of queries."""

    name: str
    kind: str = Field(description="model, static, adapter or distance.")
    method: str
    base: str = Field(description="The model that training began with.")
    dimension: int
    source: str = Field(description="The name of the data that it was trained on.")
    pairs: int
    queries: int
    documents: int
    made: str
    seconds: float
    settings: dict[str, str | int | float | bool | None]
    figures: list[FigureView]
    verdict: VerdictView | None = Field(description="Null if it was never to be promoted.")
    serves: list[str] = Field(description="The collections it serves now.")

    @classmethod
    def of(cls, trained: Trained, serves: list[str]) -> Self:
        """The view of a record; of its source only the last part, not where it lies here."""
        data = trained.data
        return cls(
            name=trained.name,
            kind=trained.kind,
            method=trained.method,
            base=trained.base.model,
            dimension=trained.base.dimension,
            source=PurePath(data.source).name,
            pairs=data.pairs,
            queries=data.queries,
            documents=data.documents,
            made=trained.made,
            seconds=trained.seconds,
            settings=dict(trained.settings),
            figures=[FigureView.of(one) for one in trained.figures],
            verdict=VerdictView.of(trained.verdict) if trained.verdict else None,
            serves=serves,
        )


class BrokenModelView(Returned):
    """A trained model whose record cannot be read."""

    name: str
    error: str

    @classmethod
    def of(cls, broken: BrokenModel) -> Self:
        """The view of one."""
        return cls(name=broken.name, error=str(broken.error))


class ModelsView(Returned):
    """All that was trained."""

    models: list[ModelView | BrokenModelView]


class PromotionBody(Given):
    """A trained model that is to serve, or the last promotion to be taken back."""

    model: str | None = Field(None, min_length=1, description="What was trained, by its name.")
    force: bool = Field(False, description="Let it serve even if the gate refuses it.")
    rollback: bool = Field(False, description="Take the last promotion back.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.model is not None) == self.rollback:
            raise PydanticCustomError("subject", "give one of: a model, or rollback")
        return self


class PromotionProgress(Returned):
    """A line now and then: the documents looked at in a trial, or embedded."""

    event: Literal["progress"] = "progress"
    phase: str
    done: int
    total: int


class PromotionView(Returned):
    """The last line: what serves now, and why."""

    event: Literal["done"] = "done"
    collection: str
    serves: bool = Field(description="Whether what was asked for serves now.")
    model: str = Field(description="What was to be promoted, or the model that serves again.")
    adapter: str | None = Field(None, description="After a rollback, the map that serves again.")
    forced: bool = False
    documents: int = Field(description="Documents that were embedded for it.")
    verdict: VerdictView | None = None
    figures: list[FigureView] = Field([])
    calibrated: list[str] = Field(
        [], description="The kinds of ranking that are calibrated for what serves now."
    )
    not_calibrated: dict[str, str] = Field(
        {}, description="Those that were until now and are no longer, with the reason."
    )

    @classmethod
    def of(cls, outcome: Promoted | RolledBack) -> Self:
        """The view of a promotion, or of one taken back."""
        from indexer.learning.gate.promotion import RolledBack

        if isinstance(outcome, RolledBack):
            return cls(
                collection=outcome.collection,
                serves=True,
                model=outcome.model,
                adapter=outcome.adapter,
                documents=outcome.documents,
                figures=[],
                calibrated=list(outcome.calibrated),
                not_calibrated={},
            )
        return cls(
            collection=outcome.collection,
            serves=outcome.serves,
            model=outcome.model,
            adapter=None,
            forced=outcome.forced,
            documents=outcome.documents,
            verdict=VerdictView.of(outcome.verdict),
            figures=[FigureView.of(one) for one in outcome.figures],
            calibrated=list(outcome.calibrations.calibrated),
            not_calibrated=dict(outcome.calibrations.dropped),
        )
