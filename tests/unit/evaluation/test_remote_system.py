"""A service over HTTP, where it is busy, or is no service of ours."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest

from indexer.errors import InvalidInput, ServiceFailed
from indexer.evaluation.remote_system import RemoteSystem
from indexer.remote_service import RemoteService, connect

Answer = Callable[[httpx2.Request], httpx2.Response]
HIT = {"hits": [{"id": "a"}], "exact": True, "truncated": False}


def system(answer: Answer) -> RemoteSystem:
    """The collection ``c`` of a service that answers like this."""
    client = httpx2.Client(base_url="http://service/x", transport=httpx2.MockTransport(answer))
    return RemoteSystem(RemoteService(client), "c", {"mode": "dense", "candidates": None})


def test_a_busy_service_is_asked_again() -> None:
    """As often as it says that it is busy, within bounds, and after the time it says."""
    waits = iter([503, 503, 200])

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(next(waits), json=HIT, headers={"retry-after": "0"})

    assert system(answer).ask("x", 10).ids == ("a",)


def test_a_service_that_stays_busy_fails() -> None:
    """What it said last is passed on."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(503, json={"detail": "queue full"}, headers={"retry-after": "0"})

    with pytest.raises(ServiceFailed, match=r"refused \(503 .*\): queue full"):
        system(answer).ask("x", 10)


@pytest.mark.parametrize(
    "response",
    [
        {"text": "<html>"},
        {"json": []},
        {"json": {"hits": 3}},
        {"json": {"hits": [{}], "exact": True, "truncated": False}},
    ],
)
def test_another_service_is_recognised(response: dict) -> None:
    """An answer of another shape is no traceback."""
    other = system(lambda _: httpx2.Response(200, **response))
    for call in (
        lambda: other.ask("x", 10),
        lambda: list(other.ask_all(["x"], 10)),
        other.describe,
    ):
        with pytest.raises(ServiceFailed, match="does not answer as Bearing does"):
            call()


def test_deep_searches_share_requests_up_to_a_bound() -> None:
    """10,000 hits at a time; one search at least; settings that are None are left out."""
    sizes = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        searches = json.loads(request.content)["searches"]
        sizes.append(len(searches))
        assert request.url.path == "/x/collections/c/search/batch"
        assert searches[0].keys() == {"query", "k", "mode"}
        return httpx2.Response(200, json={"results": [HIT] * len(searches)})

    assert len(list(system(answer).ask_all(["x"] * 25, 1_000))) == 25
    assert len(list(system(answer).ask_all(["x"] * 2, 20_000))) == 2
    assert sizes == [10, 10, 5, 1, 1]


@pytest.mark.parametrize("url", ["localhost", "ftp://x", "http://", "http://x?y=1", ""])
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    """With one that is."""
    with pytest.raises(InvalidInput, match="like http://localhost:8000"), connect(url):
        pass


def test_a_key_that_no_header_can_hold_is_refused() -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInput, match="with this key"), connect("http://x", "schlüssel"):
        pass
