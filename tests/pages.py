"""The code blocks of README.md and docs/, and which of them nobody runs, and why.

A block is left alone where a comment, which readers of the page do not see, stands on the line
before it: ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
)

SHELLS = ("sh", "console")
PROGRAMS = ("python", "javascript")
TYPED = ("typescript",)
"""Languages of programs that are compiled first; see test_typescript.py."""
DATA = ("ini", "json", "nginx", "text", "yaml")
"""Languages of blocks that hold nothing to run."""

REASONS = frozenset(
    (
        "fetches packages from npm",
        "needs a cluster",
        "needs a service",
        "needs a trained model",
        "makes a model, for half a minute",
        "needs judged queries",
        "trains a model, for minutes",
        "needs a container engine",
        "needs a database",
        "installs what the tests stand on",
        "runs until it is stopped",
        "shows a set that is no part of the project",
    )
)

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- not run: ")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block as it stands in a page; ``line`` is that of its first line of code."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def place(self) -> str:
        """Where it is, as ``PAGE:LINE``."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> str:
        """What a shell is to do: in a console block, the lines behind a prompt."""
        if self.language != "console":
            return self.code
        kept = re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.code, re.MULTILINE)
        return "\n".join(kept)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(
            str(page.relative_to(ROOT)), line, found["language"], found["code"], found["reason"]
        )


def marks(page: Path) -> int:
    """How many comments of a page say that something is not run."""
    return len(_MARK.findall(page.read_text()))


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    return [block for page in PAGES for block in blocks(page) if block.language in languages]
