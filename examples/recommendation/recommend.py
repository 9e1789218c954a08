"""What somebody may like who likes and dislikes these documents.

``python examples/recommendation/recommend.py http://localhost:8000 --like alien --unlike amelie``
"""

from __future__ import annotations

import argparse
import os

from app.client import Client


def main() -> None:
    """Print the recommendations with their scores, best first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("service", help="such as http://localhost:8000")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--like", action="append", default=[], metavar="ID")
    parser.add_argument("--unlike", action="append", default=[], metavar="ID")
    parser.add_argument("--strategy", choices=["mean", "best"], default="mean")
    parser.add_argument("--diversity", type=float, help="from 0 to 1: unlike one another")
    parser.add_argument("-k", type=int, default=3, help="how many")
    given = parser.parse_args()
    key = os.environ.get("BEARING_API_KEY")
    with Client(given.service, api_key=key, collection=given.collection) as client:
        answer = client.search(
            like=given.like,
            unlike=given.unlike,
            strategy=given.strategy,
            diversity=given.diversity,
            k=given.k,
        )
    for hit in answer.hits:
        print(f"{hit.score:7.4f}  {hit.id}  {hit.title or ''}".rstrip())


if __name__ == "__main__":
    main()
