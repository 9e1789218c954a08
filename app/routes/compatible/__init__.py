"""Routes that other services' clients know; a file for each service whose clients they serve."""

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
