"""What the pages show of commands: each with its output, and what of an output must hold.

Figures and texts of a run may differ from those of another; its keys, its labels and the form of
its lines may not. ``docs/outputs.py`` writes the outputs, ``tests/e2e/test_docs.py`` holds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

COLUMNS = 80
"""Those of the terminal that is shown."""

Layout: TypeAlias = Any
"""What must hold of an output: two are equal if they are of one form."""

_STEP = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_NUMBER = re.compile(r"[-+<~]?\d[\d,.:/%]*")
_LABEL = re.compile(r" ?([A-Za-z]\S*(?: \S+)*) {2,}[-+<]?\d")


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a console block and what it is shown to print."""

    command: str
    output: str


def steps(code: str) -> Iterator[Step]:
    """The commands of a console block in their order."""
    for found in _STEP.finditer(code):
        yield Step(found["command"], found["output"])


def console(told: list[Step]) -> str:
    """The console block of some commands."""
    return "".join(f"$ {step.command}\n{step.output}" for step in told)


def cleaned(printed: str) -> str:
    """An output as it is shown: no spaces at the ends of lines, one line end at the last."""
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    return "".join(f"{line}\n" for line in lines)


def layout(output: str) -> Layout:
    """What must hold of an output: the keys of JSON, else the labels and the forms of lines."""
    try:
        return _keys(json.loads(output))
    except ValueError:
        lines = output.splitlines()
    labels = {found[1] for line in lines if (found := _LABEL.match(line))}
    return labels, {_form(line) for line in lines if line}


def _keys(value: object) -> Layout:
    """The keys of an object, those of all objects of a list together, or what kind a value is."""
    if isinstance(value, dict):
        return {name: _keys(held) for name, held in value.items()}
    if isinstance(value, list):
        inside = [_keys(one) for one in value]
        same = all(isinstance(one, dict) for one in inside)
        return [{name: of for one in inside for name, of in one.items()}] if same else ["values"]
    return "number" if isinstance(value, int | float) else "value"


def _form(line: str) -> str:
    """A line with 0 for numbers, a for words, as many as there are, and - for bars and rules."""
    words = []
    for word in line.split():
        kind = "0" if _NUMBER.fullmatch(word) else "-" if set(word) <= set("─━█▏▎▍▌▋▊▉") else "a"
        if words[-1:] != [kind]:
            words.append(kind)
    indented = " " if line.startswith("    ") else ""
    return indented + " ".join(words)
