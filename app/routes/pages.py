"""Pages for people: the web page, and the list of routes at /docs; nothing comes from elsewhere.

FastAPI's own /docs loads its code from another site; this one is plain HTML, made from the OpenAPI
document. Its script, ``web/try.js``, adds a form to each route; all is there to be read without it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from hashlib import sha256
from html import escape
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

WEB: Final = Path(__file__).parent.parent / "web"
OPEN_PATHS: Final = frozenset({"/", "/healthz", "/health", "/readyz", "/docs", "/openapi.json"})

_OF_DEFAULT: Final = "_default"
"""The end of the names of operations that act on the usual collection."""

_KEPT: Final = "public, max-age=31536000, immutable"
_REFERENCE: Final = re.compile(r'\b(href|src)="([^"]*)"')


_Endpoint = Callable[[Request], Awaitable[Response]]


class WebPages:
    """The files of the web page: index.html at ``/``, the others by their names.

    The page has them from addresses that change with their contents, as they were at the start:
    a browser keeps what it has from there, and asks for the page itself alone.
    """

    def __init__(self, directory: Path = WEB) -> None:
        self._files = StaticFiles(directory=directory)
        found = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in sorted(directory.rglob("*.*"))
        }
        index = found.pop("index.html", None)
        kept = _address_of(found)
        self._endpoints = {f"/{name}": self._endpoint(name) for name in found}
        for name, content in found.items():
            self._endpoints[f"/{kept}{name}"] = self._held(name, content, _KEPT)
        if index is not None:
            page = _with_addresses(index.decode(), kept, found).encode()
            self._endpoints["/"] = self._held("index.html", page, "no-cache")

    @property
    def paths(self) -> frozenset[str]:
        """The paths they are served at."""
        return frozenset(self._endpoints)

    def endpoints(self) -> Iterator[tuple[str, _Endpoint]]:
        """Each path with its endpoint."""
        yield from self._endpoints.items()

    def _endpoint(self, name: str) -> _Endpoint:
        async def answer(request: Request) -> Response:
            response = await self._files.get_response(name, request.scope)
            response.headers["cache-control"] = "no-cache"
            return response

        return answer

    def _held(self, name: str, content: bytes, keeping: str) -> _Endpoint:
        """The content of a file as it was at the start, whatever the file has by now."""
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {"etag": etag, "cache-control": keeping}
        kind = guess_type(name)[0]

        async def answer(request: Request) -> Response:
            response = Response(content, headers=headers, media_type=kind)
            if self._files.is_not_modified(response.headers, request.headers):
                return NotModifiedResponse(response.headers)
            return response

        return answer


def _address_of(files: Mapping[str, bytes]) -> str:
    """The place below the page at which files of these contents are kept."""
    digest = sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return f"files-{digest.hexdigest()[:16]}/"


def _with_addresses(text: str, place: str, names: Collection[str]) -> str:
    """A page that has its files from a place; what they import is beside them."""

    def with_address(found: re.Match[str]) -> str:
        return f'{found[1]}="{place if found[2] in names else ""}{found[2]}"'

    return _REFERENCE.sub(with_address, text)


def add_pages(app: FastAPI, web: WebPages) -> None:
    """Serve the web page at ``/`` and the list of routes at ``/docs``."""
    for path, endpoint in web.endpoints():
        app.add_route(path, endpoint, methods=["GET"], include_in_schema=False)

    async def docs(request: Request) -> Response:
        return HTMLResponse(render_docs(app.openapi(), request.scope.get("root_path", "")))

    app.add_route("/docs", docs, include_in_schema=False)


def render_docs(document: Mapping[str, Any], root: str = "") -> str:
    """An OpenAPI document as one HTML page: a contents, and a section for each operation.

    What is served for the collection of the path and for the usual one is one section.
    """
    title = escape(document["info"]["title"])
    base = escape(root)
    resources = _resources(document)
    sections = (
        _section(name, routes, document)
        for found in resources.values()
        for name, routes in found.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: routes</title>
<link rel="icon" href="{base}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{base}/style.css">
<link rel="stylesheet" href="{base}/docs.css">
<script type="module" src="{base}/try.js"></script>
</head>
<body>
<header class="top">
<p class="brand"><a href="{base}/"><img src="{base}/favicon.svg" alt="" width="28" height="28">
<span class="word">{title}</span></a></p>
</header>
<main class="routes">
{_about(document, base)}
<nav class="contents" aria-label="Routes" tabindex="0">{_contents(resources)}</nav>
<div>
{"".join(sections)}
</div>
</main>
</body>
</html>
"""


def _about(document: Mapping[str, Any], base: str) -> str:
    info = document["info"]
    return f"""<div class="about">
<h1>Routes of {escape(info["title"])} {escape(info["version"])}</h1>
<p>{escape(info.get("summary", ""))}</p>
<p>For machines: <a href="{base}/openapi.json">openapi.json</a> (OpenAPI 3.1).
Errors are <code>application/problem+json</code>. Routes without
<code>/collections/{{collection}}</code> act on the collection <code>default</code>.</p>
<div id="key"></div>
</div>"""


class _Route(NamedTuple):
    method: str
    path: str
    operation: Mapping[str, Any]


_Routes = dict[str, list[_Route]]


def _resources(document: Mapping[str, Any]) -> dict[str, _Routes]:
    """The operations by their first tag and their names; that of the usual collection is first."""
    resources: dict[str, _Routes] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            resource = str(operation.get("tags", ["others"])[0])
            name = str(operation["operationId"]).removesuffix(_OF_DEFAULT)
            routes = resources.setdefault(resource, {}).setdefault(name, [])
            routes.append(_Route(method, path, operation))
            routes.sort(key=lambda route: len(route.path))
    return resources


def _contents(resources: Mapping[str, _Routes]) -> str:
    return "".join(
        f"<h2>{escape(resource[0].upper() + resource[1:])}</h2>"
        + "".join(
            f'<a href="#{name}"><b data-method="{first.method}">{first.method.upper()}</b> '
            f"{escape(first.path)}</a>"
            for name, (first, *_) in routes.items()
        )
        for resource, routes in resources.items()
    )


def _section(name: str, routes: list[_Route], document: Mapping[str, Any]) -> str:
    first, *others = routes
    operation = others[-1].operation if others else first.operation
    rows = [_row(one["name"], one["in"], one) for one in operation.get("parameters", [])]
    body = operation.get("requestBody", {})
    for content in body.get("content", {}).values():
        schema = _resolve(content.get("schema", {}), document)
        required = schema.get("required", [])
        rows += [
            _row(field, "body", {"schema": about, "required": field in required} | about)
            for field, about in schema.get("properties", {}).items()
        ]
    table = f'<table class="fields">{"".join(rows)}</table>' if rows else ""
    return f"""<section class="route" id="{name}">
<h2><b>{first.method.upper()}</b> {escape(first.path)}</h2>
{"".join(f"<h3>{escape(other.path)}</h3>" for other in others)}
<p>{_prose(operation.get("description") or operation.get("summary", ""))}</p>
{f"<p>{_prose(body['description'])}</p>" if "description" in body else ""}
{table}
{"".join(_try(route, alone=not others) for route in routes)}
</section>"""


def _try(route: _Route, *, alone: bool) -> str:
    words = "Try it" if alone else f"Try {escape(route.path)}"
    return f"""<details class="try" data-method="{route.method}" data-path="{escape(route.path)}">
<summary>{words}</summary>
</details>"""


def _prose(text: str) -> str:
    """A description, with names of fields between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _row(name: str, place: str, field: Mapping[str, Any]) -> str:
    needed = "required" if field.get("required") else "optional"
    about = _prose(field.get("description", ""))
    kind = escape(_type(field.get("schema", {})))
    default = field.get("schema", {}).get("default")
    shown = f", default {escape(orjson.dumps(default).decode())}" if default is not None else ""
    return (
        f"<tr><th scope=row><code>{escape(name)}</code></th>"
        f"<td>{place}, {needed}: <code>{kind}</code>{shown}</td><td>{about}</td></tr>"
    )


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in few words: ``list of number | null``."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(dict.fromkeys(_type(option) for option in options))
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _resolve(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, found by its reference if it is one, alone or beside null."""
    for option in schema.get("anyOf", []):
        if "$ref" in option:
            return _resolve(option, document)
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rsplit("/", 1)[-1]
    found: Mapping[str, Any] = document["components"]["schemas"][name]
    return found
