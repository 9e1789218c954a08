"""The OpenVINO engine: a converted model on CPUs. Imports neither torch nor transformers."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from indexer.allocator import held, trim, unload
from indexer.cores import usable_cores
from indexer.documents import Vectors
from indexer.embedding.acceptance import CHECK_TEXTS, FAITHFUL_COSINE
from indexer.embedding.batching import STEP, Batch, Shape, plan_batches, plan_few, plan_packs
from indexer.embedding.embedder import Precision, Runtime, TextRole
from indexer.embedding.openvino.packed_texts import PackedTexts
from indexer.embedding.openvino.requests import Flight, Requests, land
from indexer.embedding.openvino.shape_buckets import lay_packs, lay_tiles
from indexer.embedding.tokenizer import Ids, ModelTokenizer, Setup

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

BUDGET: Final = 1024
"""Tokens of a batch: more overflow a core's own cache, fewer pay the fixed cost too often."""

MANY: Final = 4
"""From this many long batches a thread on, a graph for many batches is worth its memory.

Once it exists, one batch a thread is enough to use it.
"""

FEW: Final = 64
"""Up to this many texts at once are planned by shape, if they fit one batch."""

ALONE_TILES: Final[Sequence[Shape]] = ((1, 8), (1, 12), (1, 16), (1, 20), (1, 24), (1, 32))
"""Shapes for a single text on all threads: they take a second and 50 MB in all."""

MANY_TILES: Final[Sequence[Shape]] = (
    (1, 16), (1, 32), (2, 16), (2, 24), (4, 12), (4, 16), (4, 20), (4, 28),
)  # fmt: skip
"""Shapes for a few texts, one batch a thread: they take three seconds and 40 MB a thread."""

ALONE_PACKS: Final = (8, 12, 16, 20, 24, 32)
"""Tokens of the graphs for a single text on all threads, of models that can be packed."""

MANY_PACKS: Final = (16, 32, 48, 64, 96, 128)
"""The same for several texts, one pack a thread. Longer ones lose more to attention between texts,
which is computed and left out, than they gain.
"""

SHORT: Final = 32
"""Few texts of so many tokens in the mean are packed, also if they overflow a batch: each new shape
of a graph of any shape takes milliseconds and keeps memory.
"""

FAITHFUL_PACK: Final = 0.01
"""The largest distance of a packed text's unit vector from that of the graph of any shape.

Of 400 titles by the default model in bf16 none is further off than 0.0076, nor are packed ones
further from float32 than others (0.0088). Small models of random weights can be off by 0.018.
"""

SAMPLES: Final = 2
"""Samples of known texts that each packed graph is tried on."""

TINY: Final = np.finfo(np.float32).tiny

FAITHFUL_TILE: Final = 0.01
"""The largest distance of a tile's vector from the dynamic graph's, relative to its length."""

UNFUSED: Final = {"SNIPPETS_MODE": "DISABLE"}
"""Keeps OpenVINO from generating code; there is no documented option for it."""

REMEMBERED: Final = {"CPU_RUNTIME_CACHE_CAPACITY": 32}
"""Kernels of each kind that a graph caches for each stream: those of about ten shapes, 2 MB each.
The default is thousands; this option, too, is undocumented.
"""


NODE_BYTES: Final = 20_000
"""Memory that an operation takes in each graph and stream, beside its weights, roughly."""

ORDERS: Final = 2
"""Times that weights are held by graphs of fixed shapes: once in each order that products prefer.
"""


@dataclass(frozen=True, slots=True)
class Streams:
    """The number of batches a compiled graph runs at once, and the number it may be given."""

    count: int
    requests: int


ALONE: Final = Streams(1, 1)

NO_REFERENCES: Final[Mapping[TextRole, Vectors]] = MappingProxyType({})


class CompiledEngine:
    """A graph compiled for the CPU, twice: for one batch on all threads, and for many on one each.

    Threads that share a short text mostly wait for one another; one batch a thread wastes nothing.
    The second graph is compiled when many batches first come. ``fused`` lets OpenVINO generate code
    for whole attentions, else their products and softmax run separately.

    Once warm, the first has tiles for short texts beside the graph of any shape, or graphs for
    packed ones if these keep ``references``, float32 vectors of CHECK_TEXTS by role. Those for
    several texts, one batch a thread, are a third by themselves: a graph of any shape beside them
    would take as much memory again. They are made in the background when several first come.

    What only saves time is left out where the process would hold more than ``memory`` bytes that
    the system may not drop, as far as that can be told before; 0 means no bound.
    """

    budget = BUDGET

    def __init__(
        self,
        graph: Path,
        setup: Setup,
        precision: Precision,
        threads: int,
        *,
        fused: bool = True,
        references: Mapping[TextRole, Vectors] = NO_REFERENCES,
        memory: int = 0,
    ) -> None:
        self.pad_id = setup.pad_id
        self._setup = setup
        self._references = references
        self._refusal = graph.with_name(f"unpacked-{precision}.txt")
        self._core = _core()  # must outlive what it reads and compiles
        self._model = self._core.read_model(graph)
        self._weights = graph.with_suffix(".bin")
        self._precision = precision
        self._fused = fused
        self._memory = memory
        self._threads = threads or usable_cores()
        self.lanes = self._threads
        self._prompt_lengths = _count_prompts(setup)
        # One request more than streams, so that no stream waits for input.
        self._all = Streams(self._threads, self._threads + 1)
        self._alone = self._compile(ALONE)
        self._few: Requests | None = None
        self._many: Requests | None = None
        self._lock = threading.Lock()
        self._warming = threading.Lock()
        self._warm = False
        self._background: threading.Thread | None = None

    @property
    def runtime(self) -> Runtime:
        """OpenVINO on the CPU."""
        return Runtime("openvino", "cpu", self._precision.value, self._threads)

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterable[Batch]:
        """The sequences in batches: by shape if they are few and there are tiles, else by size."""
        lanes = 1 if len(sequences) == 1 else self.lanes
        if (laid := self._laid_for(sequences)) is None:
            return plan_batches(sequences, places, self.budget, self.pad_id, self.lanes)
        if laid.packs:
            return self._plan_packs(sequences, places, laid.packs, lanes)
        tiles, window = tuple(laid.tiles), self._setup.window
        return plan_few(sequences, places, self.pad_id, tiles=tiles, lanes=lanes, window=window)

    def _laid_for(self, sequences: Sequence[Ids]) -> Requests | None:
        """The graphs these would run on by shape; None if they are many, or it is not warm."""
        if not self._alone.is_laid or not 0 < len(sequences) <= FEW:
            return None
        if len(sequences) == 1:
            return self._alone
        most = max(self.budget, SHORT * len(sequences) if self._alone.packs else 0)
        if sum(len(ids) for ids in sequences) > most:
            return None
        self._warm_many()
        return self._few

    def _plan_packs(
        self, sequences: Sequence[Ids], places: Sequence[int], sizes: Sequence[int], lanes: int
    ) -> list[Batch]:
        """The sequences in packs, and those that are longer in batches of a few shapes."""
        room = sizes[-1]
        if all(len(ids) <= room for ids in sequences):
            return plan_packs(sequences, places, self.pad_id, sizes=sizes, lanes=lanes)
        sides: tuple[list[Ids], list[Ids]] = [], []
        beside: tuple[list[int], list[int]] = [], []
        for ids, place in zip(sequences, places, strict=True):
            sides[len(ids) > room].append(ids)
            beside[len(ids) > room].append(place)
        short, long = zip(sides, beside, strict=True)
        return [
            *plan_few(*long, self.pad_id, tiles=(), lanes=lanes, window=self._setup.window),
            *plan_packs(*short, self.pad_id, sizes=sizes, lanes=lanes),
        ]

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors: in the order they came, but short ones before long ones."""
        coming = iter(batches)
        many = self._threads * MANY
        while first := list(itertools.islice(coming, many)):
            few, (short, long) = self._few, self._part(first)
            if few is not None and short:
                yield from self._run(few, short, role)
            rest = itertools.chain(long, coming) if len(long) == many else long
            yield from self._run(self._for_long(len(long)), rest, role)

    def _part(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
        """The batches that the graphs for a few texts take, and the others."""
        few = self._few
        if few is None or (len(batches) == 1 and self._is_for_all(batches[0])):
            return [], list(batches)
        sides: tuple[list[Batch], list[Batch]] = [], []
        for batch in batches:
            sides[not few.takes(batch)].append(batch)
        return sides

    def _is_for_all(self, batch: Batch) -> bool:
        """Return whether a batch by itself is best computed by all threads."""
        alone = self._alone
        return alone.takes(batch) or (bool(alone.packs) and len(batch.places) == 1)

    def _for_long(self, count: int) -> Requests:
        """The compiled graph of any shape for so many batches."""
        with self._lock:
            if self._many is None and count >= self._threads * MANY and self._has_room(self._all):
                self._many = self._compile(self._all)
            return self._many if self._many and count >= self._threads else self._alone

    def warm(self) -> None:
        """Compile tiles for single texts; those for a few are made when a few first come."""
        with self._warming:
            if not self._warm:
                self._alone = self._lay(ALONE, ALONE_PACKS, ALONE_TILES) or self._alone
                self._warm = True

    def _warm_many(self) -> None:
        """Compile tiles for a few texts, once, while the caller goes on without them."""

        def lay() -> None:
            self._few = self._lay(self._all, MANY_PACKS, MANY_TILES)

        with self._warming:
            if self._background is None:
                self._background = threading.Thread(target=lay, name="tiles")
                self._background.start()

    def _lay(
        self, streams: Streams, packs: Sequence[int], tiles: Sequence[Shape]
    ) -> Requests | None:
        """Compiled packs, or else those tiles that fit the window; for one stream, with the graph.

        Only if they give its vectors. Not all do: with a fixed shape, OpenVINO breaks ties of a
        maximum differently, so that a last token may be found in the padding.
        """
        if not self._has_room(streams, len(packs)):
            log.warning(
                "%s take longer: graphs for them would need more than %d MB (BEARING_MEMORY_MB)",
                "short texts" if streams == ALONE else "a few short texts at once",
                self._memory // 1_000_000,
            )
            return None
        if (packed := self._with_packs(streams, packs)) is not None:
            return packed
        try:
            laid = self._with_tiles(streams, tiles)
            problem = "" if self._is_faithful(laid) else "their vectors differ"
        except RuntimeError as error:  # OpenVINO raises nothing more specific
            problem = str(error)
        if not problem:
            return laid
        log.warning("short texts take longer, without graphs of their shapes: %s", problem)
        return None

    def _has_room(self, streams: Streams, packs: int = 0) -> bool:
        """Return whether graphs fit into the memory that is left: of any shape, or packs."""
        if not self._memory:
            return True
        operations = self._model.get_ops()
        constants = [one for one in operations if one.get_type_name() == "Constant"]
        *weights, _tokens = sorted(int(one.get_byte_size()) for one in constants)
        packed = sum(weights) // (2 if self._precision is Precision.BF16 else 1)
        objects = NODE_BYTES * len(operations) * max(packs, 1) * streams.count
        return held() + packed * (ORDERS if packs else 1) + objects <= self._memory

    def _with_packs(self, streams: Streams, packs: Sequence[int]) -> Requests | None:
        """The graph with packs; None for a model that has none, or keeps its vectors in none.

        That is remembered beside the graph, so that no start tries it again.
        """
        if self._refusal.exists():
            return None
        try:
            whole = self._model if streams == ALONE else None
            model = lay_packs(whole, PackedTexts(self._model, self._setup).lay, packs)
            laid = self._compile(streams, model, packs=packs)
            if self._is_faithful(laid) and self._keeps_references(laid):
                return laid
            problem = "their vectors differ"
        except LookupError as other:  # it is not BERT
            problem = f"there is no {other}"
        except RuntimeError as error:
            problem = str(error)
        with suppress(OSError):  # a cache may be another's
            self._refusal.write_text(f"short texts are padded, not packed: {problem}\n")
        return None

    def _with_tiles(self, streams: Streams, tiles: Sequence[Shape]) -> Requests:
        fitting = [tile for tile in tiles if tile[1] <= self._setup.window]
        model = lay_tiles(self._model, fitting, whole=streams == ALONE)
        return self._compile(streams, model, tiles=fitting)

    def _is_faithful(self, laid: Requests) -> bool:
        """Return whether each shape gives padded texts the vectors of the graph of any shape."""
        tokenised = ModelTokenizer(self._setup).ids(CHECK_TEXTS, TextRole.DOCUMENT)
        ids = np.concatenate([encoded.ids for encoded in tokenised])
        if laid.packs:
            return all(self._agrees_packed(laid, size, ids) for size in laid.packs)
        return all(self._agrees(laid, tile, ids) for tile in laid.tiles)

    def _agrees_packed(self, laid: Requests, size: int, some: Ids) -> bool:
        lengths = [min(length, self._setup.window) for length in (size // 2 - 1, size // 4, 1)]
        off = 0.0
        for start in range(0, SAMPLES * size, size):
            texts = [np.resize(some[start + length :], length) for length in lengths]
            (batch,) = plan_packs(texts, range(len(texts)), self.pad_id, sizes=[size], lanes=1)
            ((_, expected),) = self._run(self._alone, [batch], TextRole.DOCUMENT, packed=False)
            ((_, found),) = self._run(laid, [batch], TextRole.DOCUMENT)
            off = max(off, float(np.linalg.norm(_unit(found) - expected, axis=1).max()))
        return off <= FAITHFUL_PACK

    def _keeps_references(self, laid: Requests) -> bool:
        """Return whether packed known texts have their float32 vectors, together and alone."""
        tokenizer = ModelTokenizer(self._setup)
        return all(
            self._keeps(laid, [one.ids for one in tokenizer.ids(CHECK_TEXTS, role)], role)
            for role in self._references
        )

    def _keeps(self, laid: Requests, texts: Sequence[Ids], role: TextRole) -> bool:
        rows, room = self._references[role], laid.packs[-1]
        short = [i for i, ids in enumerate(texts) if len(ids) <= room and rows[i].any()]
        pack = partial(plan_packs, pad_id=self.pad_id, sizes=laid.packs, lanes=1)
        batches = pack([texts[i] for i in short], short)
        batches += [batch for i in short for batch in pack([texts[i]], [i])]
        return all(
            float(np.vecdot(_unit(found), rows[batch.places]).min()) >= FAITHFUL_COSINE
            for batch, found in self._run(laid, batches, role)
        )

    def _agrees(self, laid: Requests, tile: Shape, some: Ids) -> bool:
        rows, width = tile
        lengths = np.full(rows, max(width - STEP + 1, 1), np.int32)
        ids = np.resize(some, (rows, int(lengths[0])))
        padded = np.full(tile, self.pad_id, np.int32)
        padded[:, : lengths[0]] = ids
        whole, tiled = (Batch(np.arange(rows), given, lengths) for given in (ids, padded))
        ((_, expected),) = self._run(self._alone, [whole], TextRole.DOCUMENT)
        ((_, found),) = self._run(laid, [tiled], TextRole.DOCUMENT)
        off = np.linalg.norm(np.nan_to_num(found) - np.nan_to_num(expected), axis=1)
        return bool((off <= FAITHFUL_TILE * np.linalg.norm(np.nan_to_num(expected), axis=1)).all())

    def _run(
        self,
        requests: Requests,
        batches: Iterable[Batch],
        role: TextRole,
        *,
        packed: bool = True,
    ) -> Iterator[tuple[Batch, Vectors]]:
        flying: deque[Flight] = deque()
        try:
            for batch in batches:
                # Wait for others' requests only while holding none: else two might deadlock.
                while (request := requests.borrow(wait=not flying)) is None:
                    yield land(flying, requests)
                flying.append(Flight(batch, request))
                requests.start(flying[-1], self.inputs(batch, role), packed=packed)
            while flying:
                yield land(flying, requests)
        finally:
            # A request that still runs must not be lent to another thread.
            for flight in flying:
                flight.request.wait()
                requests.give_back(flight.request)

    def inputs(self, batch: Batch, role: TextRole) -> dict[str, NDArray[np.int32]]:
        """The graph's inputs for a batch, by name."""
        places = np.arange(batch.ids.shape[1], dtype=np.int32)
        mask = (places < batch.lengths[:, None]).astype(np.int32)
        inputs = {"ids": batch.ids, "mask": mask}
        if self._prompt_lengths is not None:
            inputs["pooled"] = mask * (places >= self._prompt_lengths[role])
        return inputs

    def _compile(
        self,
        streams: Streams,
        model: openvino.Model | None = None,
        *,
        tiles: Sequence[Shape] = (),
        packs: Sequence[int] = (),
    ) -> Requests:
        import openvino
        from openvino import properties
        from openvino.properties import hint

        bf16 = self._precision is Precision.BF16
        # Code for attention takes 4 MB a shape and stream, and saves 1 to 4 % of the time of a few.
        fused = self._fused and (streams == ALONE or not (tiles or packs))
        compiled = self._core.compile_model(
            model or self._model,
            "CPU",
            {
                hint.inference_precision: openvino.Type.bf16 if bf16 else openvino.Type.f32,
                hint.dynamic_quantization_group_size: 0,  # off, as it would change the vectors
                properties.num_streams: streams.count,
                properties.inference_num_threads: self._threads,
                **REMEMBERED,
                **({} if fused else UNFUSED),
            },
        )
        unload(self._weights)  # what it runs on is packed by now, all but the tokens' vectors
        trim()  # of what compiling took
        return Requests(compiled, streams.requests, tiles, packs)

    def close(self) -> None:
        """Drop the compiled graphs; calls under way keep the ones they use."""
        if self._background is not None:
            self._background.join()
        self._few = self._many = None
        del self._alone, self._model


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)
    return unit


def _core() -> openvino.Core:
    import openvino

    return openvino.Core()


def _count_prompts(setup: Setup) -> dict[TextRole, int] | None:
    if setup.poolable_prompt:
        return None
    tokenizer = ModelTokenizer(setup)
    return {role: tokenizer.prompt_length(role) for role in TextRole}
