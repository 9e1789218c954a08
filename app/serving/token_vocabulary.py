"""Token ids back to text, by a vocabulary in the file format of tiktoken.

Some clients of OpenAI's API send ids of OpenAI's vocabulary instead of texts. They are no ids of
the model here, so they are decoded first; by a file on this machine, as tiktoken itself would
fetch it from elsewhere.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from indexer.errors import InvalidInput


class Vocabulary:
    """The bytes that each token stands for."""

    def __init__(self, tokens: Mapping[int, bytes]) -> None:
        self._tokens = tokens

    @classmethod
    def read(cls, path: Path) -> Self:
        """A vocabulary from a file; raises InvalidInput, which names the line."""
        try:
            lines = path.expanduser().read_bytes().splitlines()
        except OSError as error:
            raise InvalidInput(f"cannot read vocabulary {path}: {error.strerror}") from error
        return cls(dict(_entry(path, number, line) for number, line in enumerate(lines, 1) if line))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens; raises InvalidInput for an unknown id."""
        unknown = next((id for id in ids if id not in self._tokens), None)
        if unknown is not None:
            raise InvalidInput(
                f"input: token {unknown} is not in the vocabulary that this service decodes by "
                f"({len(self._tokens)} tokens): send texts"
            )
        # Long texts come in parts that may end within a character.
        return b"".join(self._tokens[id] for id in ids).decode("utf-8", "replace")


def _entry(path: Path, number: int, line: bytes) -> tuple[int, bytes]:
    try:
        token, rank = line.split()
        return int(rank), base64.b64decode(token, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(
            f"{path}, line {number}: expected a token in base64 and its number, as in tiktoken's "
            f"files: {error}"
        ) from error
