"""Pages for people: the web page, and the list of routes at /docs; nothing comes from elsewhere.

FastAPI's own /docs loads its code from another site; this one is plain HTML, made from the OpenAPI
document. Its script, ``web/try.js``, adds a form to each route; all is there to be read without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

WEB: Final = Path(__file__).parent.parent / "web"
OPEN_PATHS: Final = frozenset(
    {"/", "/healthz", "/health", "/readyz", "/docs", "/docs.css", "/openapi.json"}
)

STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; }
a { color: inherit; }
section { border-top: 1px solid var(--line); padding: .5rem 0; }
h2 { font: bold 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
h2 b { display: inline-block; min-width: 4.5em; }
p { white-space: pre-line; }
code, pre { font: .9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid var(--line); border-radius: .25rem; }
table { border-collapse: collapse; width: 100%; }
.try form { display: grid; gap: .6rem; justify-items: start; margin: .6rem 0 1rem; padding: .8rem;
            border: 1px solid var(--line); border-radius: .5rem; }
.try label { display: grid; gap: .2rem; width: 100%; font-size: .9rem; }
.try :is(input, select), #key input { font: inherit; padding: .3rem .5rem; max-width: 24rem; }
.try textarea { font: .85rem/1.5 ui-monospace, monospace; width: 100%; padding: .5rem; }
.try button { font: inherit; padding: .4rem 1rem; }
.try summary { width: fit-content; cursor: pointer; }
.answer { width: 100%; }
.answer pre { max-height: 30rem; overflow: auto; }
.good::before { content: "\\2713\\a0"; } .bad::before { content: "\\2717\\a0"; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0;
         border-top: 1px solid var(--line); }
"""


class WebPages:
    """The files of the web page: index.html at ``/``, the others by their names."""

    def __init__(self, directory: Path = WEB) -> None:
        self._files = StaticFiles(directory=directory)
        found = (path.relative_to(directory).as_posix() for path in directory.rglob("*.*"))
        self._names = {f"/{name}": name for name in sorted(found)}
        if self._names.pop("/index.html", None):
            self._names["/"] = "index.html"

    @property
    def paths(self) -> frozenset[str]:
        """The paths they are served at."""
        return frozenset(self._names)

    def endpoints(self) -> Iterator[tuple[str, Callable[[Request], Awaitable[Response]]]]:
        """Each path with its endpoint."""
        for path, name in self._names.items():
            yield path, self._endpoint(name)

    def _endpoint(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            response = await self._files.get_response(name, request.scope)
            response.headers["cache-control"] = "no-cache"
            return response

        return answer


def add_pages(app: FastAPI, web: WebPages) -> None:
    """Serve the web page at ``/`` and the list of routes at ``/docs``."""
    for path, endpoint in web.endpoints():
        app.add_route(path, endpoint, methods=["GET"], include_in_schema=False)

    async def docs(request: Request) -> Response:
        return HTMLResponse(render_docs(app.openapi(), request.scope.get("root_path", "")))

    async def docs_style(_: Request) -> Response:
        return PlainTextResponse(STYLE, media_type="text/css")

    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/docs.css", docs_style, include_in_schema=False)


def render_docs(document: Mapping[str, Any], root: str = "") -> str:
    """An OpenAPI document as one HTML page."""
    info = document["info"]
    title, summary = escape(info["title"]), escape(info.get("summary", ""))
    sections = "\n".join(
        _operation(method, path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: routes</title>
<link rel="icon" href="{escape(root)}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{escape(root)}/docs.css">
<script type="module" src="{escape(root)}/try.js"></script>
</head>
<body>
<main>
<h1>{title} {escape(info["version"])}</h1>
<p>{summary}</p>
<p>For machines: <a href="{escape(root)}/openapi.json">openapi.json</a> (OpenAPI 3.1).
Errors are application/problem+json. Routes without /collections/{{collection}} act on the
collection <code>default</code>.</p>
<div id="key"></div>
{sections}
</main>
</body>
</html>
"""


def _operation(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    rows = [_row(one["name"], one["in"], one) for one in operation.get("parameters", [])]
    body = operation.get("requestBody", {})
    for content in body.get("content", {}).values():
        schema = _resolve(content.get("schema", {}), document)
        required = schema.get("required", [])
        rows += [
            _row(name, "body", {"schema": field, "required": name in required} | field)
            for name, field in schema.get("properties", {}).items()
        ]
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    return f"""<section>
<h2><b>{method.upper()}</b> {escape(path)}</h2>
<p>{escape(operation.get("description") or operation.get("summary", ""))}</p>
{f"<p>{escape(body['description'])}</p>" if "description" in body else ""}
{table}
<details class="try" data-method="{method}" data-path="{escape(path)}">
<summary>Try it</summary>
</details>
</section>"""


def _row(name: str, place: str, field: Mapping[str, Any]) -> str:
    needed = "required" if field.get("required") else "optional"
    about = escape(field.get("description", ""))
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
