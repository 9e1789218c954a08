"""Settings as they are typed: what they change, and which collection they lead to."""

from __future__ import annotations

import pytest

from indexer.errors import InvalidInput
from indexer.evaluation.settings import Side, kinds, read_settings
from indexer.index_choice import IndexKind
from indexer.queries import Fusion, Mode, Query

BASE = Side({"mode": Mode.DENSE, "exact": False})


def vary(*words: str, base: Side = BASE) -> Side:
    """A side that differs in these."""
    return base.changed("--against", read_settings("--against", words))


def test_settings_are_split_at_commas_before_a_key() -> None:
    """A comma within a value stays there; of two of one key the later wins."""
    words = ["model=/a,b,mode=lexical", "exact=true", "mode=hybrid"]
    assert read_settings("--set", words) == {"model": "/a,b", "exact": "true", "mode": "hybrid"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("novelty=1", r"--against takes KEY=VALUE, with a key of url, .*mode.*; got 'novelty'"),
        ("mode", "KEY=VALUE"),
        ("k=3", "got 'k'"),
        ("text=x", "got 'text'"),
        ("mode=silly", "--against mode must be one of dense, lexical, hybrid; got 'silly'"),
        ("index=silly", "--against index must be one of auto, exact"),
        ("exact=perhaps", "--against exact must be true or false; got 'perhaps'"),
        ("candidates=many", "--against candidates must be a whole number; got 'many'"),
        ("min_score=high", "--against min_score must be a number; got 'high'"),
        ("url=http://x,model=y", "a service's collections have their models"),
    ],
)
def test_what_cannot_be_set_is_refused(word: str, message: str) -> None:
    """The error names the option, what is allowed and what was given."""
    with pytest.raises(InvalidInput, match=message):
        vary(word)


def test_values_have_the_types_of_the_query() -> None:
    """Each can be given to a Query as it is; none takes an optional one back."""
    side = vary("mode=Hybrid,exact=yes,fusion=reciprocal_rank,candidates=50,min_score=0.5")
    assert side.search == {
        "mode": Mode.HYBRID,
        "exact": True,
        "fusion": Fusion.RECIPROCAL_RANK,
        "candidates": 50,
        "min_score": 0.5,
    }
    assert Query(text="x", **side.search).candidates == 50
    assert vary("candidates=none", base=side).search["candidates"] is None


def test_fields_that_say_what_is_searched_for_are_no_settings() -> None:
    """Texts, vectors, examples and k are the dataset's and the measures'."""
    assert not {"text", "vector", "like", "unlike", "k", "model", "filter"} & kinds().keys()
    assert {"mode", "exact", "fusion", "candidates"} <= kinds().keys()


def test_a_side_is_the_other_but_for_what_changes() -> None:
    """The search alone leaves the collection as it is."""
    base = Side({"mode": Mode.DENSE}, collection="mine", model="m")
    assert vary("mode=lexical", base=base) == Side(
        {"mode": Mode.LEXICAL}, collection="mine", model="m"
    )


@pytest.mark.parametrize(
    ("word", "root", "name"),
    [
        ("mode=hybrid", "evaluate-x", "evaluate-x"),
        ("model=/models/my own", "evaluate-x-my-own", "evaluate-x-my-own"),
        ("model=org/name/", "evaluate-x-name", "evaluate-x-name"),
        ("index=scan", "evaluate-x", "evaluate-x-scan"),
        ("model=m,index=scan", "evaluate-x-m", "evaluate-x-m-scan"),
        ("collection=other", "other", "other"),
        ("collection=other,model=m", "other", "other"),
        ("collection=other,index=scan", "other", "other-scan"),
    ],
)
def test_another_model_or_index_has_a_collection_of_its_own(
    word: str, root: str, name: str
) -> None:
    """Its name says which; an evaluation never changes the index of a collection there is."""
    side = vary(word)
    assert (side.root("evaluate-x"), side.name("evaluate-x")) == (root, name)


def test_a_long_name_keeps_its_end() -> None:
    """Cut to what a name may have, the two collections still have two names."""
    side = vary("index=scan", base=Side({}, collection="c" * 64))
    assert side.name("") == "c" * 59 + "-scan"


def test_a_service_against_collections_here_and_the_reverse() -> None:
    """An empty URL leads back; what only collections here can choose is dropped on the way out."""
    here = Side({}, model="m", index=IndexKind.SCAN)
    there = vary("url=http://x", base=here)
    assert (there.url, there.model, there.index) == ("http://x", None, None)
    assert vary("url=", base=there).url is None
