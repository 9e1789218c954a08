"""Rates: how many requests a key may make, and what it is told of that."""

from __future__ import annotations

import asyncio

import pytest

from app.access.rate_limit import Counter, parse_rate
from app.settings import load_settings
from indexer.errors import InvalidInput

KEYS = "ann:search:one, bob:search:two 3/hour, eve:search:six 1000/second"


def statuses(client, key: str, times: int, path: str = "/collections") -> list[int]:
    """What so many requests of a key are answered."""
    return [client.get(path, headers={"x-api-key": key}).status_code for _ in range(times)]


def test_a_key_over_its_rate_is_refused_and_others_are_not(connect) -> None:
    """Each key has the usual rate, or its own; what is over is a 429 problem."""
    client = connect(api_keys=KEYS, rate_limit="5/hour")
    assert statuses(client, "one", 7) == [200] * 5 + [429] * 2
    assert statuses(client, "two", 5) == [200] * 3 + [429] * 2
    assert statuses(client, "six", 20) == [200] * 20


def test_each_answer_says_how_the_key_stands(connect) -> None:
    """In the fields of the standard's draft and of its early versions; 429 says when to return."""
    client = connect(api_keys=KEYS, rate_limit="2/hour;100/day")
    answers = [client.get("/collections", headers={"x-api-key": "one"}) for _ in range(3)]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    first, refused = answers[0].headers, answers[2]
    assert first["ratelimit-policy"] == '"key";q=2;w=3600'
    assert first["ratelimit"].startswith('"key";r=1;t=')
    assert first["ratelimit-limit"] == "2"
    assert "retry-after" not in first
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["content-type"] == "application/problem+json"
    assert "'ann'" in refused.json()["detail"]
    assert refused.headers["x-content-type-options"] == "nosniff"


def test_health_pages_and_wrong_keys_count_for_nobody(connect) -> None:
    """A key that is used up still finds the service well, and strangers use up nobody's rate."""
    client = connect(api_keys=KEYS, rate_limit="1/hour")
    assert statuses(client, "wrong", 3) == [401] * 3
    assert statuses(client, "one", 2) == [200, 429]
    assert statuses(client, "one", 3, "/healthz") == [200] * 3


def test_without_keys_each_address_has_the_rate(connect) -> None:
    """Nobody is known by name then."""
    client = connect(rate_limit="2/hour")
    assert [client.get("/collections").status_code for _ in range(3)] == [200, 200, 429]


def test_without_a_rate_nothing_is_bounded_or_told(connect) -> None:
    """There is no rate unless one is set."""
    answer = connect(api_keys="one").get("/collections", headers={"x-api-key": "one"})
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


@pytest.mark.parametrize("text", ["", "5", "0/second", "5/fortnight", "5/second,x", "-1/day"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """The refusal shows what a rate looks like."""
    with pytest.raises(ValueError, match="20/second"):
        parse_rate(text)
    if text:
        with pytest.raises(InvalidInput, match="BEARING_RATE_LIMIT"):
            load_settings(rate_limit=text)


def test_all_limits_of_a_rate_hold_and_the_nearest_is_told() -> None:
    """The limit of which the smallest share is left is the one that answers speak of."""

    async def count() -> None:
        counter, rate = Counter(), parse_rate("100/minute; 4/hour")
        first = await counter.count("a", rate)
        assert first is not None
        assert (first.limit, first.remaining, first.window_seconds) == (4, 3, 3600)
        for _ in range(3):
            await counter.count("a", rate)
        over = await counter.count("a", rate)
        assert over is not None
        assert (over.admitted, over.limit, over.remaining) == (False, 4, 0)
        other = await counter.count("b", rate)
        assert other is not None
        assert other.admitted
        assert await counter.count("a", ()) is None

    asyncio.run(count())
