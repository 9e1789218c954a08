"""The routes, a resource each, and their table; they validate, delegate, and format the answers.

Their arguments come from ``app.routing``, their bodies from ``app.schemas``. The page for people
is added by ``pages``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app.routes import (
    admin,
    aliases,
    assistants,
    callers,
    collections,
    compatible,
    documents,
    duplicates,
    exports,
    feedback,
    files,
    imports,
    jobs,
    maps,
    models,
    pictures,
    search,
    search_links,
    status,
    tokens,
)


def _slug(tag: str) -> str:
    return re.sub(r"\W+", "_", tag).lower()


@dataclass(frozen=True, slots=True)
class Resource:
    """A router, and where it is served.

    One that is ``by_collection`` is served for the default collection at its own paths, and for
    any other below that collection's. If it ``has_problems``, its errors are RFC 9457's, and the
    OpenAPI document says so; a router of another protocol documents its own errors.
    """

    router: APIRouter
    by_collection: bool = False
    has_problems: bool = True

    def names(self, *, of_default: bool = False) -> Callable[[APIRoute], str]:
        """Name operations as methods of generated clients: ``search``, ``openai_embed``.

        The routes of the default collection are those that say so: ``search_default``.
        """

        def name(route: APIRoute) -> str:
            foreign = not self.has_problems and route.tags
            protocol = f"{_slug(str(route.tags[0]))}_" if foreign else ""
            return f"{protocol}{route.name}{'_default' if of_default else ''}"

        return name


ROUTES: Final = (
    Resource(search.router, by_collection=True),
    Resource(search_links.router, by_collection=True),
    Resource(imports.router, by_collection=True),
    Resource(files.router, by_collection=True),
    Resource(exports.router, by_collection=True),
    Resource(pictures.router, by_collection=True),
    Resource(documents.router, by_collection=True),
    Resource(duplicates.router, by_collection=True),
    Resource(feedback.router, by_collection=True),
    Resource(maps.router, by_collection=True),
    Resource(models.promotion_router, by_collection=True),
    Resource(jobs.collection_router, by_collection=True),
    Resource(jobs.router),
    Resource(collections.router),
    Resource(aliases.router),
    Resource(models.router),
    Resource(callers.router),
    Resource(tokens.router),
    Resource(files.formats_router),
    Resource(admin.router),
    Resource(status.router),
    *(Resource(router, has_problems=False) for router in compatible.ROUTERS),
    Resource(assistants.router, has_problems=False),
)
"""All routes in the document's order: a new one is a module beside this one, and a row here."""
