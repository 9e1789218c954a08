"""The environment as typed settings: the one place where the service reads it.

``python -m app.settings`` prints the table of all settings as Markdown, for the README.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.access.keys import Key, parse_keys
from app.access.rate_limit import Rate, parse_rate
from indexer.config import Config, place_of
from indexer.cores import usable_cores
from indexer.embedding import DEFAULT_MODEL, Backend, Precision
from indexer.engines import is_lasting
from indexer.errors import BearingError, InvalidInput
from indexer.index_choice import IndexKind, Language
from indexer.readers import check_ocr

PREFIX = "BEARING_"

_ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]+)?|[a-z]+://\[[0-9a-f:]+\](:[0-9]+)?"
)


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The format of a line of the log."""

    TEXT = "text"
    JSON = "json"


class Collected(StrEnum):
    """The part of the query of a judgement that is kept; with ``OFF`` no judgement is."""

    OFF = "off"
    TEXTS = "texts"
    HASHES = "hashes"


LEAST_SECRET: Final = 32
"""Characters of a secret that signs, at least."""


class Settings(BaseSettings):
    """Settings of the service: from ``BEARING_*`` in the environment, or by keyword."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    data: Path | str = Field(
        Path("data"),
        description="Directory of the collections, or a database "
        "([`postgresql://user@host/database`](docs/postgresql.md)); "
        "`memory:` keeps them in this process alone.",
    )
    cache: Path = Field(
        default_factory=lambda: Config().cache,
        description="Directory of converted models; may be deleted at any time.",
        json_schema_extra={"default": "the user's cache directory"},
    )
    model: str = Field(
        DEFAULT_MODEL,
        description="Model of new collections: a sentence-transformers model by hub name or path.",
    )
    backend: Backend = Field(
        Backend.AUTO, description=f"What computes vectors: {', '.join(Backend)}."
    )
    precision: Precision = Field(
        Precision.AUTO, description=f"Arithmetic of the model: {', '.join(Precision)}."
    )
    threads: int = Field(0, ge=0, description="Threads of the model; 0 means all cores.")
    memory_mb: int = Field(
        0,
        ge=0,
        description="Memory of a process in MB, files' pages left out, within which it does what "
        "only saves time; 0 means no bound.",
    )
    index: IndexKind = Field(
        IndexKind.AUTO,
        description=f"How nearest vectors are found: {', '.join(IndexKind)}; auto measures, "
        "and compares every vector while a collection is small.",
    )
    target_recall: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="Recall that an index is tuned to at 10, 100 and 1,000 hits, and watched for.",
    )
    index_memory_mb: int = Field(
        0, ge=0, description="Memory of a collection's index in MB, at most; 0 means no bound."
    )
    language: Language = Field(
        Language.ENGLISH,
        description=f"By whose rules words of new collections are stemmed: {', '.join(Language)}.",
    )

    matryoshka_dimensions: Annotated[tuple[PositiveInt, ...], NoDecode] = Field(
        (),
        description="Dimensions, separated by commas, that clients may cut the vectors of "
        "BEARING_MODEL to; only of a model that was trained for it.",
    )
    model_key: SecretStr = Field(
        SecretStr(""),
        description="The key for a BEARING_MODEL that is an address: see docs/indexing.md.",
        json_schema_extra={"default": "none"},
    )
    token_vocabulary: Path | None = Field(
        None,
        description="A tiktoken vocabulary (cl100k_base.tiktoken) that decodes token ids given to "
        "/v1/embeddings; without one they are refused.",
        json_schema_extra={"default": "none"},
    )
    reranker: str = Field(
        "",
        description="Cross-encoder that searches may rerank by (`rerank`): hub name or path.",
    )
    models: Path | None = Field(
        None,
        description="Directory of trained models; `models` in BEARING_DATA where none is named.",
        json_schema_extra={"default": "none"},
    )
    auc_tolerance: float = Field(
        0.01,
        ge=0,
        le=1,
        description="By how much a promoted model may tell related from unrelated queries worse "
        "(AUC), even where that is significant.",
    )
    calibration_tolerance: float = Field(
        0.02,
        ge=0,
        le=1,
        description="By how much its calibration error may be higher, even where that is "
        "significant.",
    )
    feedback: Collected = Field(
        Collected.OFF,
        description=f"What is kept of users' judgements on hits: {', '.join(Collected)}; "
        "hashes keeps a salted hash in place of the query's text.",
    )
    max_feedback: int = Field(
        10_000,
        ge=1,
        description="Most judgements kept of a collection, and 2 kB for each; the oldest go.",
    )
    require_sync: bool = Field(
        False,
        description="1 refuses a database that may lose writes it has acknowledged, "
        "such as one whose standbys replicate asynchronously.",
    )

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; other than loopback only with keys or BEARING_INSECURE.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    root_path: str = Field("", description="Path under which a proxy serves the service.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Keys that let a client in, separated by commas, each `[[NAME:]ROLE:]KEY`; "
        "none: anyone on loopback.",
    )
    api_keys_file: Path | None = Field(
        None, description="File of more such keys, one a line; read again when it changes."
    )
    token_secret: SecretStr | None = Field(
        None,
        description="Secret that short-lived tokens are signed with, of 32 characters or more; "
        "none: no tokens are made or taken.",
    )
    rate_limit: str = Field(
        "",
        description="Requests that each key may make, such as `20/second;5000/hour`; without "
        "keys, each address.",
    )
    insecure: bool = Field(
        False, description="1 allows to listen beyond loopback without keys: anyone may write."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins whose pages may use the service, separated by commas, such as "
        "`https://shop.example`; `*`, with keys only, means all.",
    )
    log_format: LogFormat = Field(
        LogFormat.TEXT, description=f"How a line of the log is written: {', '.join(LogFormat)}."
    )
    audit_log: str = Field(
        "-",
        description="File that gets a line for each write and admin call; `-` means standard "
        "error, `off` none.",
    )
    backups: Path | None = Field(
        None,
        description="Folder in which backups made over HTTP stay; without it each is kept for a "
        "day.",
    )
    log_level: LogLevel = Field(
        LogLevel.INFO, description=f"Least severity that is logged: {', '.join(LogLevel)}."
    )
    shutdown_seconds: int = Field(
        30, ge=0, description="Time to answer what was accepted after a signal to stop."
    )

    max_connections: int = Field(1_000, ge=1, description="Most connections of a process at once.")
    max_headers: int = Field(100, ge=1, description="Most headers of a request.")
    max_head_bytes: int = Field(
        65_536, ge=1_024, description="Longest head of a request: its URL and headers."
    )
    head_seconds: int = Field(
        20, ge=1, description="Time to send a request's head, from the connection or the answer on."
    )
    body_seconds: int = Field(
        60, ge=1, description="Time to send a JSON body, or the next piece of an import."
    )
    max_body_bytes: int = Field(
        33_554_432, ge=1, description="Largest JSON body; an import may be of any length."
    )
    max_file_bytes: int = Field(
        268_435_456, ge=1, description="Largest file that is taken in as it is."
    )
    ocr: str = Field(
        "",
        description="Languages in which text in the pictures of PDFs is read, such as `eng+deu`.",
    )
    max_backup_bytes: int = Field(
        1 << 40, ge=1, description="Largest backup that is taken in to be restored."
    )
    max_megapixels: int = Field(50, ge=1, description="Largest image that is decoded.")
    max_line_bytes: int = Field(8_388_608, ge=1, description="Longest line of an import.")
    max_texts: int = Field(
        2_048, ge=1, description="Most documents, searches, texts or examples in one request."
    )
    max_characters: int = Field(
        1_000_000, ge=1, description="Longest text; what exceeds the model's window is chunked."
    )
    max_query_characters: int = Field(32_768, ge=1, description="Longest query.")
    max_k: int = Field(1_000, ge=1, description="Most hits of one search.")
    max_hits: int = Field(100_000, ge=1, description="Most hits of all searches of one request.")
    max_candidates: int = Field(
        10_000, ge=1, description="Most hits that the stages of one search choose from."
    )
    max_reranked: int = Field(2_048, ge=1, description="Most hits that one request has reranked.")
    max_explained: int = Field(
        10,
        ge=1,
        description="Most hits that one request has explained; each costs up to 49 texts to embed.",
    )
    max_paged: int = Field(
        10_000, ge=1, description="Most documents of one search on all its pages together."
    )
    max_page: int = Field(1_000, ge=1, description="Most documents on one page.")
    max_dimension: int = Field(8_192, ge=1, description="Longest vector.")
    max_cells: int = Field(
        1_000_000, ge=1, description="Most cells of a similarity matrix, times the measures asked."
    )

    batch_texts: int = Field(64, ge=1, description="Most queries in one forward pass.")
    queue_texts: int = Field(
        4_096, ge=1, description="Most queries that wait for the model; more are answered 503."
    )
    query_cache_mb: int = Field(
        64, ge=0, description="Memory for vectors of recent queries, a model, in MB; 0: none."
    )
    workers: int = Field(
        1, ge=1, le=64, description="Processes that answer, each with a model of its own."
    )
    readers: int = Field(16, ge=1, description="Threads that read from collections.")
    writers: int = Field(16, ge=1, description="Threads that write to collections.")
    queue_requests: int = Field(
        512, ge=1, description="Most requests that wait for such a thread; more are answered 503."
    )

    @field_validator("data")
    @classmethod
    def _find(cls, data: Path | str) -> Path | str:
        return place_of("BEARING_DATA", str(data))

    @field_validator("cache", "api_keys_file")
    @classmethod
    def _expand(cls, path: Path | None) -> Path | None:
        return path.expanduser() if path else None

    @field_validator("api_keys", "cors_origins", "matryoshka_dimensions", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        parts = tuple(part.strip() for part in given.split(",") if part.strip())
        if given and not parts:
            # An empty variable means none; a stray comma is more likely a mistake.
            raise ValueError(f"{given!r} names nothing: leave it out, or give at least one")
        return parts

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if keys:
            parse_keys(key.get_secret_value() for key in keys)
        return keys

    @field_validator("token_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        given = "" if secret is None else secret.get_secret_value()
        if 0 < len(given) < LEAST_SECRET:
            raise ValueError(
                f"must be of {LEAST_SECRET} characters or more: take those of openssl rand -hex 32"
            )
        return secret if given else None

    @field_validator("rate_limit")
    @classmethod
    def _check_rate(cls, text: str) -> str:
        if text:
            parse_rate(text)
        return text

    @field_validator("ocr")
    @classmethod
    def _check_ocr(cls, languages: str) -> str:
        try:
            check_ocr(languages or None)
        except BearingError as error:
            raise ValueError(str(error)) from error
        return languages

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin[:200]!r} is not an origin: give scheme, host and port like browsers, "
                    "in lower case and without a path, such as https://shop.example"
                )
        return origins

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.is_guarded and not self.insecure and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} is reachable from other machines, and no key is set: set "
                "BEARING_API_KEYS, or BEARING_INSECURE=1 to let anyone in, or listen on 127.0.0.1"
            )
        if self.workers > 1 and not is_lasting(str(self.data)):
            raise ValueError(
                f"workers ({self.workers}) would each have a memory of its own: keep collections "
                "in a folder (BEARING_DATA), or let one worker answer"
            )
        if "*" in self.cors_origins and not self.is_guarded:
            raise ValueError(
                "cors_origins: * would let every page on the web read and write what needs no "
                "key: set BEARING_API_KEYS, or name the origins"
            )
        if self.queue_texts < self.max_texts:
            raise ValueError(
                f"queue_texts ({self.queue_texts}) must be at least max_texts ({self.max_texts}): "
                "a request of max_texts would never be let in"
            )
        return self

    @property
    def token_key(self) -> bytes | None:
        """The bytes that tokens are signed with; None if there are no tokens."""
        secret = self.token_secret
        return None if secret is None else secret.get_secret_value().encode()

    @property
    def is_guarded(self) -> bool:
        """Return whether a key is needed."""
        return bool(self.api_keys) or self.api_keys_file is not None

    @property
    def is_local(self) -> bool:
        """Return whether listening on loopback alone is what keeps strangers out."""
        return not self.is_guarded and not self.insecure

    def as_environment(self) -> dict[str, str]:
        """The settings given by the environment or by keyword, as variables, without secrets.

        Secrets are never given by keyword, so a process that inherits the environment and these has
        the same settings.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            f"{PREFIX}{name.upper()}": str(int(value) if isinstance(value, bool) else value)
            for name, value in given.items()
            if isinstance(value, bool | int | float | str | Path)
        }

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of the environment."""
        return parse_keys(key.get_secret_value() for key in self.api_keys) if self.api_keys else ()

    @property
    def rate(self) -> Rate:
        """The rate limit of each key that has none of its own."""
        return parse_rate(self.rate_limit) if self.rate_limit else ()

    @property
    def query_cache_bytes(self) -> int:
        """The bound of a model's query vectors: an eighth of a bound of the whole at most."""
        allowed = self.query_cache_mb * 1_000_000
        return min(allowed, self.memory_mb * 125_000) if self.memory_mb else allowed

    @property
    def config(self) -> Config:
        """The configuration of the library; several workers share the cores."""
        shared = max(1, usable_cores() // self.workers) if self.workers > 1 else 0
        return Config(
            data=self.data,
            cache=self.cache,
            model=self.model,
            model_key=self.model_key.get_secret_value(),
            backend=self.backend,
            precision=self.precision,
            threads=self.threads or shared,
            memory_mb=self.memory_mb,
            index=self.index,
            target_recall=self.target_recall,
            index_memory_mb=self.index_memory_mb,
            language=self.language,
            reranker=self.reranker,
            models=self.models,
            auc_tolerance=self.auc_tolerance,
            calibration_tolerance=self.calibration_tolerance,
            require_sync=self.require_sync,
            max_megapixels=self.max_megapixels,
        )


def load_settings(**given: Any) -> Settings:  # noqa: ANN401 -- pydantic checks each
    """Settings from the environment; a keyword that is not None takes precedence.

    Raises InvalidInput, which names each wrong variable.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidInput("\n".join(_complaints(error))) from error


def _complaints(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in problem["loc"][:1])
        reason = problem["msg"].removeprefix("Value error, ")
        yield f"{PREFIX}{name.upper()}: {reason}" if name else reason


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def settings_table() -> str:
    """All settings as a Markdown table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{PREFIX}{name.upper()}` | {_default(name)} | {field.description} |")
    return "\n".join(lines)


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["default"])
    if field.default in ((), "", None):
        return "none"
    shown = str(int(field.default)) if isinstance(field.default, bool) else str(field.default)
    return f"`{shown}`"


if __name__ == "__main__":
    print(settings_table())  # noqa: T201 -- its purpose
