"""A library of collections, opened by name, which share the models that filled them.

It turns a collection's name into a Collection over the engine that stores it, and a model's name
into an Embedder.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from indexer.aliases import aliases_of, require_free
from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Vectors
from indexer.embedding import open_embedder
from indexer.embedding.checkpoint import DEFAULT_MODEL, PHOTO_MODEL
from indexer.embedding.cross_encoders import open_reranker
from indexer.embedding.cross_encoders.reranker import Reranker
from indexer.embedding.cutting import CuttingEmbedder
from indexer.embedding.embedder import Embedder, Identity, Modality, TextRole
from indexer.embedding.external.addresses import is_external
from indexer.engine import Availability
from indexer.engines import local_folder, open_catalogue
from indexer.errors import (
    AlreadyExists,
    BearingError,
    Conflict,
    Damaged,
    InvalidInput,
    ModelError,
    ModelMismatch,
)
from indexer.index_choice import USUAL_CHUNKING, Chunking, Language
from indexer.ranking.null_queries import null_queries
from indexer.reports import Backup, Broken, Description, Tell, Verification

DEFAULT_COLLECTION: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_name(name: str) -> str:
    """The name itself; raises InvalidInput if it is not a valid name of a collection."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a collection's name is 1 to 64 letters, digits, '-' and '_', "
            f"beginning with a letter or digit; got {name[:80]!r}"
        )
    return name


@dataclass(frozen=True, slots=True)
class _Opened:
    collection: Collection
    version: object


class Library:
    """A data directory: its collections, each opened once, and the models they share.

    Safe to use from several threads; a context manager.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._catalogue = open_catalogue(str(config.data), require_sync=config.require_sync)
        self._lock = threading.RLock()
        self._collections: dict[str, _Opened] = {}
        self._embedders: dict[str, Embedder] = {}
        self._cutting: dict[tuple[str, Chunking], Embedder] = {}
        self._reranker: Reranker | None = None
        self._loading: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._null: dict[str, Vectors] = {}
        self._embedding_null = threading.Lock()

    @property
    def config(self) -> Config:
        """The settings it was opened with."""
        return self._config

    @property
    def place(self) -> str:
        """The place of its collections, in words for people."""
        return self._catalogue.place

    @property
    def folder(self) -> Path | None:
        """The folder of its collections; None if they are elsewhere."""
        return local_folder(str(self._config.data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        return self._catalogue.names()

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        return self._catalogue.aliases()

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before.

        Whoever asks by the alias meanwhile finds one or the other. Raises NotFound for a collection
        that is not there, AlreadyExists if the alias is the name of one.
        """
        aliases = self.aliases()
        if check_name(collection) in aliases:
            raise InvalidInput(
                f"{collection!r} is an alias itself, of {aliases[collection]!r}: name that"
            )
        return self._catalogue.point(check_name(alias), collection)

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        self._catalogue.unpoint(check_name(alias))

    def resolved(self, name: str) -> str:
        """The name of the collection that a name stands for: itself, or what its alias names."""
        if self._catalogue.version(check_name(name)) is not None:
            return name
        return self.aliases().get(name, name)

    def open(self, name: str) -> Collection:
        """An existing collection, by its name or an alias; raises NotFound, which names those."""
        with self._lock:
            version = self._catalogue.version(check_name(name))
            if version is None and (named := self.aliases().get(name)) is not None:
                name, version = named, self._catalogue.version(named)
            known = self._collections.get(name)
            if known is not None and known.version == version:
                return known.collection
            if known is not None:  # another process deleted it, and may have created it again
                self._collections.pop(name).collection.close()
            engine = self._catalogue.open(name, self._config.index_choice)
            collection = Collection(engine, self._null_vectors)
            self._collections[name] = _Opened(collection, version)
            return collection

    @property
    def is_free(self) -> bool:
        """Return whether no thread opens a collection just now, which `open` would wait for."""
        is_free = self._lock.acquire(blocking=False)
        if is_free:
            self._lock.release()
        return is_free

    def describe(self, name: str) -> Description:
        """A summary of a collection, with its aliases; raises NotFound."""
        described = self.open(name).describe()
        return replace(described, aliases=aliases_of(described.name, self.aliases()))

    def describe_all(self) -> list[Description | Broken]:
        """Summaries of all collections, including those that cannot be opened; sorted by name."""
        return [self._describe(name) for name in self.names()]

    def create(
        self,
        name: str,
        model: str | None = None,
        language: Language | None = None,
        chunking: Chunking = USUAL_CHUNKING,
    ) -> Collection:
        """A new collection for a model, a language, and a way to cut documents.

        Raises AlreadyExists, or InvalidInput for chunks that do not fit the model.
        """
        if self._catalogue.version(check_name(name)) is not None:
            raise AlreadyExists(f"collection {name!r} already exists")
        require_free(name, self.aliases())
        embedder = self.model(model or self._config.model, chunking)
        _require_room(embedder)
        self._catalogue.create(name, embedder.identity, language or self._config.language)
        return self.open(name)

    def obtain(
        self, name: str, model: str | None = None, language: Language | None = None
    ) -> Collection:
        """A collection, created if there is none.

        Raises ModelMismatch if it is another model's, InvalidInput if it has another language.
        """
        if not self._exists(check_name(name)):
            try:
                return self.create(name, model, language)
            except AlreadyExists:  # another thread or process was first
                return self.obtain(name, model, language)
        collection = self.open(name)
        if model is not None:
            collection.identity.require(self.model(model).identity)
        if language is not None and collection.language is not language:
            raise InvalidInput(
                f"collection {name!r} was made for the language {collection.language}, not "
                f"{language}: index into a new collection"
            )
        return collection

    def adopt(self, name: str, identity: Identity) -> Collection:
        """A collection for vectors of a model that is not opened here, created if there is none.

        Raises ModelMismatch if another model filled it.
        """
        if not self._exists(check_name(name)):
            self._catalogue.create(name, identity, Language.ENGLISH)
        collection = self.open(name)
        collection.identity.require(identity)
        return collection

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it.

        Raises NotFound, or Conflict if an alias names it, or is what was given.
        """
        with self._lock:
            if self.resolved(name) != name:
                raise Conflict(
                    f"{name!r} is an alias of {self.resolved(name)!r}: delete the alias (bearing "
                    f"alias delete {name}), or that collection"
                )
            collection = self.open(name)
            self._catalogue.delete(name)
            del self._collections[name]
            collection.close()

    def availability(self) -> Availability | None:
        """The part of a cluster that answers now, None where there is none.

        Raises EngineUnavailable.
        """
        return self._catalogue.availability()

    def upgrade(self, name: str) -> bool:
        """Bring a collection that an earlier version wrote up to date; False if it is."""
        return self._catalogue.upgrade(self.resolved(name))

    def verify(self, name: str, tell: Tell, *, with_model: bool = True) -> Verification:
        """The findings of a check of a collection, even of one too damaged to be opened.

        Without ``with_model`` the model is neither loaded nor checked. Raises NotFound.
        """
        embedders = self.model if with_model else None
        return self._catalogue.verify(self.resolved(name), embedders, tell)

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state of a collection to a new file; writing to it may go on.

        Raises NotFound, AlreadyExists or Damaged.
        """
        return self._catalogue.back_up(self.resolved(name), target, tell)

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection from a backup; raises AlreadyExists, NotFound or Damaged."""
        return self._catalogue.restore(source, check_name(name), tell)

    def collection_of(self, source: Path) -> str:
        """The name of the collection that a backup is of; raises NotFound or Damaged."""
        name = self._catalogue.collection_of(source)
        try:
            return check_name(name)
        except InvalidInput as error:
            raise Damaged(f"{source} names no collection: {error}") from error

    def embedder(self, collection: Collection) -> Embedder:
        """The model that filled a collection; raises ModelMismatch if it has changed since."""
        identity = collection.identity
        # The server of an external model may have moved: the one that is configured is asked.
        configured = self._config.model
        moved = is_external(identity.name) and is_external(configured)
        embedder = self.model(configured if moved else identity.name, identity.chunking)
        identity.require(embedder.identity)
        return embedder

    def successor(
        self, collection: Collection, model: str | None, chunking: Chunking | None
    ) -> Embedder:
        """The goal of a collection's move: another model or chunking, its own where None.

        Raises InvalidInput if both are None, or for chunks that do not fit the model.
        """
        if model is None and chunking is None:
            raise InvalidInput("say what is to change: the model, or how documents are cut")
        identity = collection.identity
        embedder = self.model(model or identity.name, chunking or identity.chunking)
        if chunking is not None:
            _require_room(embedder)
        return embedder

    def filling(self, collection: Collection) -> Embedder:
        """The model that embeds what a collection is filled with: its own.

        If that embeds texts only, the photo model where it is the one configured and has the same
        texts.
        """
        own = self.embedder(collection)
        if Modality.IMAGE in own.modalities or self._config.model != PHOTO_MODEL:
            return own
        chosen = self.model(PHOTO_MODEL, collection.identity.chunking)
        try:
            collection.identity.require(chosen.identity)
        except ModelMismatch:
            return own
        return chosen

    def seeing(self, collection: Collection) -> Embedder:
        """A model that embeds images among a collection's texts: its own, or the one configured.

        Raises InvalidInput if neither does, ModelMismatch if the one configured has other texts.
        """
        own = self.embedder(collection)
        if Modality.IMAGE in own.modalities:
            return own
        identity = collection.identity
        chosen = self.model(self._config.model, identity.chunking)
        if Modality.IMAGE in chosen.modalities:
            identity.require(chosen.identity)
            return chosen
        raise InvalidInput(
            f"collection {collection.name!r} is of the model {identity.name!r}, which embeds texts "
            "only: it is searched by images where BEARING_MODEL is a model of images and the same "
            f"texts ({PHOTO_MODEL} has those of {DEFAULT_MODEL}) and the extra images is installed"
        )

    def _null_vectors(self, identity: Identity) -> Vectors | None:
        """The vectors of the null queries by a model, embedded once; None if it is not open.

        It opens no model, and takes no lock that closing holds while it waits for collections.
        """
        embedder = self._embedders.get(identity.name)
        model = replace(identity, chunking=USUAL_CHUNKING).fingerprint
        if embedder is None or embedder.identity.fingerprint != model:
            return None
        with self._embedding_null:
            if model not in self._null:
                texts = [query.text for query in null_queries()]
                self._null[model] = embedder.embed(texts, TextRole.QUERY).vectors
            return self._null[model]

    def close(self) -> None:
        """Close all collections, then all models."""
        with self._lock:
            while self._collections:
                self._collections.popitem()[1].collection.close()
            self._cutting.clear()
            while self._embedders:
                self._embedders.popitem()[1].close()
            if self._reranker is not None:
                self._reranker.close()
                self._reranker = None
            self._catalogue.close()

    def _describe(self, name: str) -> Description | Broken:
        try:
            return self.describe(name)
        except BearingError as error:
            return Broken(name, error)

    def _exists(self, name: str) -> bool:
        return self._catalogue.version(self.resolved(name)) is not None

    def reranker(self) -> Reranker | None:
        """The cross-encoder named in the settings, opened once; None if they name none."""
        config = self._config
        if not config.reranker:
            return None
        with self._lock:
            loading = self._loading[f"reranker {config.reranker}"]
        with loading:
            if self._reranker is None:
                self._reranker = open_reranker(
                    config.reranker,
                    cache=config.cache,
                    backend=config.backend,
                    precision=config.precision,
                    threads=config.threads,
                )
            return self._reranker

    def model(self, name: str, chunking: Chunking = USUAL_CHUNKING) -> Embedder:
        """The model with this name or path, opened once; relative paths are resolved first.

        It is one object for each chunking that collections have. Raises ModelError for an external
        one that is not configured: what names it may be a stranger's backup, and nothing is asked
        that the user did not name.
        """
        if is_external(name) and name != self._config.model:
            raise ModelError(
                f"{name} is a model at an address, which is asked only if BEARING_MODEL or --model "
                f"names it; now that is {self._config.model}"
            )
        embedder = self._model(name)
        if chunking == USUAL_CHUNKING:
            return embedder
        with self._lock:
            known = self._cutting.get((embedder.identity.name, chunking))
            if known is None:
                known = self._cutting[embedder.identity.name, chunking] = CuttingEmbedder(
                    embedder, chunking
                )
            return known

    def _model(self, name: str) -> Embedder:
        if "/" in name and Path(name).expanduser().is_dir():
            name = str(Path(name).expanduser().resolve())
        with self._lock:
            loading = self._loading[name]
        with loading:  # a lock of its own, so that opening collections does not wait for models
            if name not in self._embedders:
                self._embedders[name] = open_embedder(
                    name,
                    cache=self._config.cache,
                    backend=self._config.backend,
                    precision=self._config.precision,
                    threads=self._config.threads,
                    memory=self._config.memory_mb * 1_000_000,
                    key=self._config.model_key,
                )
            return self._embedders[name]


def _require_room(embedder: Embedder) -> None:
    """Raise InvalidInput if chunks are to be longer than the model takes them."""
    size, overlap = embedder.identity.chunking.size, embedder.identity.chunking.overlap
    room = embedder.room
    if size is not None and size > room:
        raise InvalidInput(
            f"model {embedder.identity.name!r} has room for {room:,} tokens, not for chunks of "
            f"{size:,}: ask for smaller ones"
        )
    if overlap is not None and overlap > room // 2:
        raise InvalidInput(
            f"a chunk may repeat at most half of the {room:,} tokens that "
            f"{embedder.identity.name!r} has room for, got {overlap:,}"
        )
