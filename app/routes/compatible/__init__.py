"""Routes of other services, for their clients; one file for each service.

Their bodies are defined beside them, since other services define these. Bearing's own routes are
above.
"""

from typing import Final

from fastapi import APIRouter

from app.routes.compatible import cohere, inference, ollama, openai, reranking

ROUTERS: Final[tuple[APIRouter, ...]] = (
    openai.router,
    inference.router,
    cohere.router,
    reranking.router,
    ollama.router,
)
