"""YAML as its version 1.2 reads it, for which nothing but numbers are numbers.

PyYAML follows version 1.1: ``0123`` is 83 there, ``12:30:15`` is 45,015, and ``yes`` and ``off``
are booleans. Numbers with a leading zero stay text here, as postcodes are written.
(https://yaml.org/spec/1.2.2/, 10.3.2, the core schema)
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

_TAG: Final = "tag:yaml.org,2002:"
_TIMESTAMP: Final = f"{_TAG}timestamp"
_WHOLE: Final = r"(?:0|[1-9][0-9]*)"

_RULES: Final = (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", rf"[-+]?{_WHOLE}", list("-+0123456789")),
    (
        "float",
        rf"(?:[-+]?(?:\.[0-9]+|{_WHOLE}\.[0-9]*)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        list("-+.0123456789"),
    ),
)


class CoreLoader(yaml.SafeLoader):
    """Builds plain values; a key that is there twice is an error, not the last of them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node; raises yaml.MarkedYAMLError for a key that is there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value!r} is there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


CoreLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag == _TIMESTAMP]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern, _first in _RULES:
    CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(f"^{_pattern}$"), _first)


def load(text: str) -> object:
    """The value of a YAML text; raises yaml.YAMLError."""
    return yaml.load(text, CoreLoader)  # noqa: S506 - a SafeLoader
