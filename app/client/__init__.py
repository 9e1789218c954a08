"""A typed client of the service, synchronous and asynchronous.

Of the service it imports only the bodies of requests and answers.

from app.client import Client

with Client("http://localhost:8000", api_key="...") as client:
    for hit in client.search("stop a timer", k=3).hits:
        print(hit.score, hit.id, hit.passage.text)
"""

from app.client.asynchronous import AsyncClient
from app.client.calls import Imported, Ranked, SearchOptions
from app.client.errors import (
    Busy,
    ClientError,
    Conflict,
    Faulty,
    Gone,
    InvalidRequest,
    NotFound,
    Refused,
    Unauthorised,
    Unreachable,
)
from app.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "Faulty",
    "Gone",
    "Imported",
    "InvalidRequest",
    "NotFound",
    "Ranked",
    "Refused",
    "SearchOptions",
    "Unauthorised",
    "Unreachable",
]
