"""A question, what documents say about it, and the prompt that has a model answer from that.

After ``bearing index notes/ --collection notes``: ``python examples/assistant/ask.py "who hunts the
whale?" --collection notes``. It asks by the Model Context Protocol, as an assistant would.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

PROMPT = """Answer the question from the sources alone, and name them as [1], [2]. If they do not
answer it, say so.

{sources}

Question: {question}
"""


def server() -> StdioServerParameters:
    """How ``bearing mcp`` is started; it reads BEARING_DATA and the other settings."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("BEARING_")}
    return StdioServerParameters(
        command=sys.executable, args=["-m", "app.cli", "mcp"], env=settings | python_path()
    )


def python_path() -> dict[str, str]:
    """Where Bearing is, if Python was told; a server gets no other variable by itself."""
    return {"PYTHONPATH": path} if (path := os.environ.get("PYTHONPATH")) else {}


async def find(question: str, collection: str, k: int) -> list[dict[str, Any]]:
    """The hits of the tool ``search``."""
    async with Client(stdio_client(server())) as client:
        wanted = {"query": question, "collection": collection, "k": k}
        result = await client.call_tool("search", wanted)
    if result.is_error or result.structured_content is None:
        raise SystemExit(f"search failed: {result.content}")
    hits: list[dict[str, Any]] = result.structured_content["hits"]
    return hits


def write_prompt(question: str, hits: list[dict[str, Any]]) -> str:
    """The sources with their numbers, and what is to be done with them."""
    sources = "\n\n".join(
        f"[{number}] {hit.get('title') or hit['id']}\n{hit['passage']}"
        for number, hit in enumerate(hits, 1)
    )
    return PROMPT.format(sources=sources, question=question)


def main() -> None:
    """Print the prompt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question")
    parser.add_argument("--collection", default="default")
    parser.add_argument("-k", type=int, default=4, help="how many sources")
    given = parser.parse_args()
    hits = asyncio.run(find(given.question, given.collection, given.k))
    print(write_prompt(given.question, hits))


if __name__ == "__main__":
    main()
