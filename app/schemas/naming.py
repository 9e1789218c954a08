"""Names of schemas in the OpenAPI document, by which generated clients call them.

Classes of one name in several modules get the names of their modules, in full, from pydantic. Here
our own are called by their name alone, and those of other tools' routes have the tool's before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

PREFIX: Final = "#/components/schemas/"
_OWN: Final = "schemas"
_TOOLS: Final = {"inference": "TextEmbeddingsInference", "openai": "OpenAI"}
"""Tools whose name is not that of their module."""


def with_short_names(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document with schemas of short names, wherever they are referred to."""
    schemas = document["components"]["schemas"]
    names = short_names(schemas)
    renamed = {names[old]: _pointing(schema, names) for old, schema in schemas.items()}
    paths = _pointing(document["paths"], names)
    return document | {
        "components": document["components"] | {"schemas": dict(sorted(renamed.items()))},
        "paths": paths,
    }


def short_names(given: Iterable[str]) -> Mapping[str, str]:
    """The name of each schema; where two would have the same one, both keep what they have."""
    names = {name: _short(name) for name in given}
    shared = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {old: old if new in shared else new for old, new in names.items()}


def _short(name: str) -> str:
    *modules, own = name.split("__")
    if not modules or _OWN in modules:
        return own
    tool = modules[-1]
    return _TOOLS.get(tool, tool.title()) + re.sub(f"^{tool}", "", own, flags=re.IGNORECASE)


def _pointing(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _pointing(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_pointing(one, names) for one in value]
    if isinstance(value, str) and value.startswith(PREFIX):
        old = value.removeprefix(PREFIX)
        return PREFIX + names.get(old, old)
    return value
