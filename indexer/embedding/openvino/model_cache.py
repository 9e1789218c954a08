"""Converted models on disk: made once, trusted by their digests, opened without torch.

An entry of the cache is a folder, named by a digest of the model's weights and setup, the versions
of the converting libraries, and RECIPE. It holds the graph, the tokenizer and a manifest, so that
starting from it needs neither torch nor transformers. It appears by a single rename: whole or not
at all, even if others convert at the same time.

An installation may ship entries, under share/bearing/models of its Python, and then needs no
torch for their models.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.acceptance import FAITHFUL_COSINE, worst_cosine
from indexer.embedding.backends import Unsuitable
from indexer.embedding.checkpoint import Checkpoint, digest_file, sha256_file
from indexer.embedding.embedder import CANARY_COSINE, Precision, TextRole
from indexer.embedding.engine import EngineEmbedder, assemble
from indexer.embedding.openvino.autotune import fusing_pays
from indexer.embedding.openvino.conversion import convert
from indexer.embedding.openvino.engine import CompiledEngine
from indexer.embedding.openvino.no_telemetry import forbid_telemetry
from indexer.embedding.tokenizer import Setup
from indexer.errors import ModelError, StorageFailed

log = logging.getLogger(__name__)

RECIPE: Final = 2
"""Raise it when the files written here change: older entries are then not found."""

GRAPH, WEIGHTS, TOKENIZER, MANIFEST = "graph.xml", "graph.bin", "tokenizer.json", "manifest.json"
Found = TypeVar("Found")
Fill: TypeAlias = Callable[[Path], Mapping[str, Any]]
"""Writes an entry's files into a folder and returns its manifest."""

SHIPPED: Final = Path(sys.prefix) / "share" / "bearing"
"""A read-only cache that came with the installation; most have none."""

FLOORS: Final = {Precision.BF16: CANARY_COSINE, Precision.INT8: 0.9}
"""The least cosine to float32 vectors of a precision that was asked for by name."""

CLOSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
"""The errors of a place that no entry can be written to, unlike a full disk."""

UNFINISHED: Final = ".converting-"
DAY_SECONDS: Final = 86_400


def open_compiled(
    checkpoint: Checkpoint, cache: Path, precision: Precision, threads: int, memory: int = 0
) -> EngineEmbedder:
    """The model as an OpenVINO graph, converted first if it is not in the cache.

    Graphs that only save time stay within ``memory`` bytes of the process; 0 means no bound. Raises
    Unsuitable if it has no faithful graph, ModelError if it cannot be loaded at all or the
    precision is not available.
    """
    entry = _obtain(entry_folder(checkpoint, cache), cache, partial(_fill_converted, checkpoint))
    if precision is Precision.INT8:
        folder = entry_folder(checkpoint, cache, "int8")
        entry = _obtain(folder, cache, partial(_fill_quantised, entry))
    ways = product(precisions(precision), dict.fromkeys((entry.fused, True)))
    for kind, fused in ways:
        engine = CompiledEngine(
            entry.graph,
            entry.setup,
            kind,
            threads,
            fused=fused,
            references=_distinct(entry),
            memory=memory,
        )
        embedder = assemble(checkpoint, entry.setup, engine)
        worst = worst_cosine(embedder, _distinct(entry))
        if worst >= FLOORS.get(precision, FAITHFUL_COSINE):
            return embedder
    reason = f"its {precision} graph gives other vectors (cosine {worst:.5f} on known texts)"
    raise Unsuitable(reason)


def _obtain(folder: Path, cache: Path, fill: Fill) -> Entry:
    """The entry in this folder or the shipped one, made by ``fill`` if there is no sound one."""
    shipped = read_entry(SHIPPED / "models" / folder.name, cache)
    return shipped or obtain(folder, cache, read_entry, fill)


def obtain(
    folder: Path, cache: Path, read: Callable[[Path, Path], Found | None], fill: Fill
) -> Found:
    """The result of ``read`` for this folder, filled by ``fill`` if it has no sound entry.

    A cache of another user, as under su or where a container is given a user, one of a read-only
    file system and one below no folder (``HOME=/dev/null``) are passed over with a warning, and the
    entry is kept among the temporary files instead. Raises StorageFailed if neither place can be
    written.
    """
    found = read(folder, cache)
    if found is None:
        try:
            make_entry(folder, fill)
        except StorageFailed as problem:
            cause = problem.__cause__
            is_closed = isinstance(cause, OSError) and cause.errno in CLOSED
            own = own_temporary_cache() if is_closed else None
            if own is None or cache == own:
                raise
            log.warning("the model cache %s is not yours to write to: using %s", cache, own)
            return obtain(own / folder.relative_to(cache), own, read, fill)
        found = read(folder, cache)
    if found is None:
        raise ModelError(f"the model cache at {folder} was damaged while it was written")
    return found


def own_temporary_cache() -> Path | None:
    """A cache among the temporary files that no other user can write to; else None.

    Its name can be guessed, so one created by another user is not used.
    """
    place = Path(tempfile.gettempdir()) / f"bearing-cache-{os.geteuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        status = place.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return place if is_own and not status.st_mode & 0o077 else None


def precisions(wanted: Precision) -> list[Precision]:
    """The precisions to try, fastest first."""
    forbid_telemetry()
    import openvino

    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted is Precision.BF16 and not able:
        raise ModelError("this CPU has neither AMX nor AVX512-BF16: use precision auto or f32")
    if wanted is Precision.AUTO:
        return [Precision.BF16, Precision.F32] if able else [Precision.F32]
    return [wanted]


@dataclass(frozen=True, slots=True)
class Entry:
    """A converted model: the file of its graph, and the data needed to run and check it.

    ``references`` are sentence-transformers' float32 vectors of CHECK_TEXTS by role, ``fused`` is
    the faster way to run the graph on this machine.
    """

    graph: Path
    setup: Setup
    references: Mapping[TextRole, Vectors]
    fused: bool


def _distinct(entry: Entry) -> Mapping[TextRole, Vectors]:
    """The references of those roles whose texts are tokenised differently."""
    by_prompt = {entry.setup.prompts.get(role, ""): role for role in entry.references}
    return {role: entry.references[role] for role in by_prompt.values()}


def entry_folder(checkpoint: Checkpoint, cache: Path, kind: str = "float") -> Path:
    """The folder of the model's entry, whether it exists or not."""
    versions = [importlib.metadata.version(name) for name in ("openvino", "sentence-transformers")]
    key = "\n".join([checkpoint.weights, checkpoint.setup, str(RECIPE), kind, *versions])
    return cache / "models" / hashlib.sha256(key.encode()).hexdigest()[:32]


def read_entry(folder: Path, cache: Path) -> Entry | None:
    """The entry in this folder; None if there is none or it is damaged.

    Raises Unsuitable if the entry records that the conversion failed.
    """

    def parse(manifest: Mapping[str, Any]) -> Entry:
        tokenizer = (folder / TOKENIZER).read_text("utf-8")
        setup = Setup(tokenizer=tokenizer, **manifest["setup"])
        references = {
            TextRole(role): np.asarray(rows, np.float32)
            for role, rows in manifest["references"].items()
        }
        return Entry(folder / GRAPH, setup, references, bool(manifest["fused"]))

    return read_manifest(folder, cache, parse)


def read_manifest(
    folder: Path, cache: Path, parse: Callable[[Mapping[str, Any]], Found]
) -> Found | None:
    """The result of ``parse`` for an entry's manifest; None if there is none or it is damaged.

    Raises Unsuitable if the entry records that the conversion failed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if reason := manifest.get("unconvertible"):
            raise Unsuitable(reason)
        return parse(manifest) if is_intact(folder, manifest["files"], cache) else None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the converted model in %s is damaged (%s): converting again", folder, error)
        return None


def is_intact(folder: Path, files: Mapping[str, str], cache: Path) -> bool:
    """Return whether these files of an entry have these digests; logs a warning if not."""
    intact = all(digest_file(folder / name, cache) == digest for name, digest in files.items())
    if not intact:
        log.warning("the converted model in %s is damaged: converting again", folder)
    return intact


def _fill_converted(checkpoint: Checkpoint, work: Path) -> dict[str, Any]:
    """The manifest of the model's graph, or of the reason why it has none."""
    try:
        setup, references = convert(checkpoint, work / GRAPH)
    except Unsuitable as problem:
        return {"unconvertible": str(problem)}
    return _manifest(setup, references, work, precisions(Precision.AUTO)[0])


def _fill_quantised(entry: Entry, work: Path) -> dict[str, Any]:
    """The manifest of the int8 graph of a converted model."""
    from indexer.embedding.openvino.quantization import quantise

    quantise(entry.graph, entry.setup, work / GRAPH)
    return _manifest(entry.setup, entry.references, work, Precision.INT8)


def _manifest(
    setup: Setup, references: Mapping[TextRole, Vectors], work: Path, precision: Precision
) -> dict[str, Any]:
    (work / TOKENIZER).write_text(setup.tokenizer, "utf-8")
    fields = asdict(setup)
    del fields["tokenizer"]
    return {
        "setup": fields,
        "references": {role.value: rows.tolist() for role, rows in references.items()},
        "fused": fusing_pays(work / GRAPH, setup, precision),
        "files": {name: sha256_file(work / name) for name in (GRAPH, WEIGHTS, TOKENIZER)},
    }


def make_entry(folder: Path, fill: Fill) -> None:
    """Put an entry into this folder: the files ``fill`` writes, and the manifest it returns.

    Raises StorageFailed if the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as unfinished:
            log.info("converting a model for OpenVINO, once, into %s", folder)
            work = Path(unfinished) / "entry"
            work.mkdir()
            (work / MANIFEST).write_text(json.dumps(fill(work)))
            # Durable before the rename that makes it an entry.
            for path in (*work.iterdir(), work):
                _sync(path)
            _publish(work, folder)
    except OSError as error:
        raise StorageFailed(
            f"the model cache {folder.parent} cannot be written ({error}): give another place "
            "with BEARING_CACHE"
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(work: Path, folder: Path) -> None:
    """Move the finished entry into place, where there is none or a damaged one."""
    try:
        work.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Either another process was faster, or the entry there is damaged: both may go, since
        # whoever has it open keeps its files.
        folder.rename(work.parent / "replaced")
        work.rename(folder)
    _sync(folder.parent)


def _sweep(models: Path) -> None:
    """Remove the leftovers of conversions that were killed long ago."""
    for leftover in models.glob(f"{UNFINISHED}*"):
        if time.time() - leftover.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
