"""Texts to tokens, by a model's own vocabulary; with the ``tokenizers`` library alone.

A tokenizer adds a role's prompt and the special tokens, cuts to the window, and tells which
characters each token stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.embedder import TextRole, Tokens
from indexer.embedding.vocabulary import has_words, is_unknown, unknown_id
from indexer.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding

Ids: TypeAlias = NDArray[np.int32]
"""(n,) int32: one text's tokens with special tokens and prompt, cut to the window."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The tokenizer and settings of a model, without its graph.

    ``tokenizer`` is the JSON of the ``tokenizers`` library, ``prompts`` are by role, ``window``
    counts tokens with special ones, ``poolable_prompt`` says that prompts are pooled like text,
    ``padded`` that all texts are padded to the window.
    """

    tokenizer: str
    prompts: Mapping[str, str]
    window: int
    dimension: int
    pooling: str
    pad_id: int
    poolable_prompt: bool = True
    padded: bool = False


class Encoded(NamedTuple):
    """A text's tokens, whether they were cut, and whether the model knows no word of it."""

    ids: Ids
    truncated: bool
    unknown: bool


class Tokenizer(Protocol):
    """Texts in, tokens out."""

    @property
    def room(self) -> int:
        """The number of a document's tokens that fit beside special tokens and prompt."""
        ...

    def tokenize(self, texts: Sequence[str], role: TextRole) -> list[Tokens]:
        """Ids with the spans of all tokens."""
        ...

    def ids(self, texts: Sequence[str], role: TextRole) -> list[Encoded]:
        """The texts' tokens without their spans, which is cheaper."""
        ...


class ModelTokenizer:
    """A model's own tokenizer. Safe to use from several threads: it never changes.

    ``unknown_id`` is the token of a word that is not known, None where there are no such words;
    ``added`` are tokens that are found in a text before all others.
    """

    def __init__(self, setup: Setup) -> None:
        from tokenizers import Tokenizer

        self._window = setup.window
        self._prompts = setup.prompts
        self._pad_id = setup.pad_id if setup.padded else None
        self._tokenizer = Tokenizer.from_str(setup.tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.unknown_id = unknown_id(self._tokenizer, setup.tokenizer)
        added = self._tokenizer.get_added_tokens_decoder().values()
        self.added = tuple(str(token.content) for token in added)
        self._front, self._back = self._count_special()
        types = set(self._tokenizer.encode("a").type_ids)
        if types - {0}:
            raise ModelError(f"token types {sorted(types)} are not supported, only 0")

    def _count_special(self) -> tuple[int, int]:
        """The number of special tokens before and after a text."""
        probe = "probe"
        bare = self._tokenizer.encode(probe, add_special_tokens=False).ids
        full = self._tokenizer.encode(probe).ids
        for front in range(len(full) - len(bare) + 1):
            if full[front : front + len(bare)] == bare:
                return front, len(full) - front - len(bare)
        raise ModelError("the tokenizer changes a text when it adds special tokens")

    @property
    def room(self) -> int:
        """The number of a document's tokens that fit beside special tokens and prompt."""
        return self.most - self._prompt_tokens(TextRole.DOCUMENT)

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def most(self) -> int:
        """The number of a text's tokens, those of a prompt with them, beside special ones."""
        return self._window - self._front - self._back

    @property
    def around(self) -> tuple[Ids, Ids]:
        """The special tokens before and after a text."""
        ids = np.asarray(self._tokenizer.encode("a").ids, np.int32)
        return ids[: self._front], ids[len(ids) - self._back :]

    @property
    def steps(self) -> tuple[str, str]:
        """The kinds of what normalises texts, and of what parts them into words."""
        steps = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        return type(steps[0]).__name__, type(steps[1]).__name__

    def prompt(self, role: TextRole) -> str:
        """The text that is put in front of those in a role."""
        return self._prompts.get(role, "")

    def bare(self, texts: Sequence[str]) -> list[Encoding]:
        """The texts' tokens alone: without special ones, a prompt, or a bound."""
        return self._tokenizer.encode_batch(texts, add_special_tokens=False)

    def _prompt_tokens(self, role: TextRole) -> int:
        prompt = self.prompt(role)
        return len(self._tokenizer.encode(prompt, add_special_tokens=False)) if prompt else 0

    def prompt_length(self, role: TextRole) -> int:
        """Tokens to leave out of pooling where prompts are not pooled; 0 without a prompt.

        Counted like sentence-transformers: the prompt's encoding without one closing special token.
        """
        count = self._prompt_tokens(role)
        return self._front + count + max(self._back - 1, 0) if count else 0

    def tokenize(self, texts: Sequence[str], role: TextRole) -> list[Tokens]:
        """Ids with the spans of all tokens."""
        prompt = self.prompt(role)
        encodings = self._tokenizer.encode_batch([prompt + text for text in texts])
        return [
            self._tokens(text, encoding, len(prompt))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _tokens(self, text: str, encoding: Encoding, prompt: int) -> Tokens:
        all_ids = encoding.ids
        ids, truncated = self._cut(all_ids)
        end = len(all_ids) - self._back
        spans = np.asarray(encoding.offsets[self._front : end], np.int32).reshape(-1, 2)
        if prompt:
            spans = np.maximum(spans[spans[:, 1] > prompt] - np.int32(prompt), np.int32(0))
        unknown = not truncated and self._is_unknown(text, all_ids, encoding, prompt)
        return Tokens(ids, spans, truncated, unknown)

    def ids(self, texts: Sequence[str], role: TextRole) -> list[Encoded]:
        """The texts' tokens without their spans, which is cheaper."""
        prompt = self.prompt(role)
        whole = [prompt + text for text in texts] if prompt else list(texts)
        encodings = self._tokenizer.encode_batch_fast(whole)
        return [
            self._encoded(text, prompt, encoding.ids)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _encoded(self, text: str, prompt: str, all_ids: list[int]) -> Encoded:
        ids, truncated = self._cut(all_ids)
        if truncated or self.unknown_id not in all_ids:
            return Encoded(ids, truncated, not has_words(text))
        again = self._tokenizer.encode(prompt + text)  # with offsets; it is seldom needed
        return Encoded(ids, truncated, self._is_unknown(text, all_ids, again, len(prompt)))

    def _is_unknown(self, text: str, all_ids: list[int], encoding: Encoding, prompt: int) -> bool:
        if self.unknown_id not in all_ids:
            return not has_words(text)
        places = [
            (max(start - prompt, 0), max(end - prompt, 0))
            for id, (start, end) in zip(all_ids, encoding.offsets, strict=True)
            if id == self.unknown_id
        ]
        return is_unknown(text, places)

    def _cut(self, ids: list[int]) -> tuple[Ids, bool]:
        truncated = len(ids) > self._window
        if truncated:
            closing = ids[len(ids) - self._back :]
            ids = ids[: self._window - self._back] + closing
        elif self._pad_id is not None:
            ids = ids + [self._pad_id] * (self._window - len(ids))
        return np.asarray(ids, np.int32), truncated
