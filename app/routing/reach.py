"""The reach of each route: whether a key that is bound to a part of what is kept may call it.

A route that is not in the table is not for such keys. Those that are get their collections from a
service that opens none but the key's, as if they held none but the key's documents: see
:meth:`app.serving.service.Service.within`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from app.access.bounds import Bounds


class Reach(StrEnum):
    """The documents that a route answers from."""

    OWN = "own"
    """From collections and documents that the key may use, or from none at all."""
    COLLECTION = "collection"
    """From the whole of a collection: not for a key with a filter."""
    SERVICE = "service"
    """From all that is kept, or it changes that: not for a key that is bound."""

    def admits(self, bounds: Bounds) -> bool:
        """Return whether a key with these bounds may call such a route."""
        if self is Reach.SERVICE:
            return not bounds
        return self is Reach.OWN or bounds.condition is None


REACH: Final[Mapping[str, Reach]] = {
    "search.search": Reach.OWN,
    "search.search_batch": Reach.OWN,
    "search_links.search_by_link": Reach.OWN,
    "documents.put_documents": Reach.OWN,
    "documents.delete_documents": Reach.OWN,
    "documents.list_documents": Reach.OWN,
    "documents.get_document": Reach.OWN,
    "documents.delete_document": Reach.OWN,
    "duplicates.list_duplicates": Reach.OWN,
    "exports.export_documents": Reach.OWN,
    "pictures.get_thumbnail": Reach.OWN,
    "pictures.get_picture": Reach.OWN,
    "imports.import_documents": Reach.OWN,
    "files.take_file": Reach.OWN,
    "files.list_formats": Reach.OWN,
    "feedback.take_feedback": Reach.OWN,
    "feedback.export_feedback": Reach.COLLECTION,
    "feedback.clear_feedback": Reach.COLLECTION,
    "collections.list_collections": Reach.OWN,
    "collections.describe_collection": Reach.OWN,
    "collections.diagnose_collection": Reach.COLLECTION,
    "collections.list_fields": Reach.OWN,
    "collections.list_examples": Reach.OWN,
    "collections.create_collection": Reach.SERVICE,
    "collections.delete_collection": Reach.SERVICE,
    "aliases.list_aliases": Reach.SERVICE,
    "aliases.get_alias": Reach.SERVICE,
    "aliases.set_alias": Reach.SERVICE,
    "aliases.delete_alias": Reach.SERVICE,
    "jobs.back_up_collection": Reach.SERVICE,
    "jobs.reindex_collection": Reach.SERVICE,
    "jobs.restore_collection": Reach.SERVICE,
    "jobs.list_jobs": Reach.SERVICE,
    "jobs.get_job": Reach.SERVICE,
    "jobs.fetch_file": Reach.SERVICE,
    "jobs.cancel_job": Reach.SERVICE,
    "maps.show_map": Reach.OWN,
    "maps.show_map_points": Reach.OWN,
    "maps.show_map_values": Reach.OWN,
    "models.list_models": Reach.SERVICE,
    "models.promote_model": Reach.SERVICE,
    "callers.describe_caller": Reach.OWN,
    "tokens.make_token": Reach.OWN,
    "admin.compare": Reach.OWN,
    "status.check_health": Reach.OWN,
    "status.check_readiness": Reach.OWN,
    "status.show_metrics": Reach.SERVICE,
    "assistants.answer_assistant": Reach.OWN,
    "openai.embed": Reach.OWN,
    "openai.list_models": Reach.OWN,
    "openai.get_model": Reach.OWN,
    "inference.embed": Reach.OWN,
    "inference.compare": Reach.OWN,
    "inference.do_task": Reach.OWN,
    "inference.rerank": Reach.OWN,
    "inference.tokenize": Reach.OWN,
    "inference.check_health": Reach.OWN,
    "inference.show_info": Reach.OWN,
    "cohere.embed": Reach.OWN,
    "cohere.embed_v1": Reach.OWN,
    "cohere.rerank": Reach.OWN,
    "reranking.rerank": Reach.OWN,
    "ollama.embed": Reach.OWN,
    "ollama.embed_one": Reach.OWN,
    "ollama.list_models": Reach.OWN,
    "ollama.show_version": Reach.OWN,
}
"""Each route, by its module and its function."""


def reach_of(endpoint: Callable[..., Any]) -> Reach:
    """The reach of a route's endpoint; that of one that is not in the table is the service."""
    return REACH.get(name_of(endpoint), Reach.SERVICE)


def name_of(endpoint: Callable[..., Any]) -> str:
    """The name of an endpoint in the table."""
    return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__}"
