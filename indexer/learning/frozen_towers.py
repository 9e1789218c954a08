"""Two towers that stay as they are, and a projection of each that is trained.

What a tower makes of a text or a picture is computed once, so that an epoch takes a moment.
Pictures are taken where their network is pooled: layers that follow, such as one to classes, are
left out, and what they knew is learned anew. Where nothing follows, as in CLIP, both are in one
space already: then projections begin as the identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import Parameter

from indexer.documents import Vectors
from indexer.embedding.backends import Unsuitable
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import Modality, TextRole
from indexer.embedding.images.compiled import convert_tower
from indexer.embedding.images.torch_tower import TorchImages
from indexer.embedding.images.tower import ImageTower
from indexer.embedding.images.towers import describe_images, image_tower, text_tower
from indexer.embedding.torch_engine import hushed, load_model
from indexer.errors import InvalidInput
from indexer.learning.items import Item, View
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.learner import embed
from indexer.learning.progress import Progress, Tell
from indexer.learning.trainee import Trainee
from indexer.pictures import Fitted

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BLOCK: Final = 128
"""Pictures that go through a tower between two notes of progress."""

LEAST_DEVIATION: Final = 0.1
"""A feature's deviation counts as at least this share of the mean one, so that none explodes."""

TEXT, IMAGE = Modality.TEXT.value, Modality.IMAGE.value


@dataclass(frozen=True, slots=True)
class Projections:
    """The form of the projections.

    ``size`` is the number of components of the vectors, ``hidden`` that of a layer between, of
    pictures, 0 for none. ``dropout`` is the share of a picture's features that is left out while
    training.
    """

    size: int
    hidden: int
    dropout: float


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Features of one kind, (rows, width)."""

    places: NDArray[np.intp]
    features: Tensor
    kind: str

    @property
    def size(self) -> int:
        """Next to nothing: it is computed whole."""
        return 0


class FrozenTowers:
    """A model of texts and images whose projections are trained."""

    def __init__(
        self, model: SentenceTransformer, pictures: KeptPictures, form: Projections, seed: int
    ) -> None:
        """Raises InvalidInput for a model whose towers are not supported."""
        if model.truncate_dim:
            raise InvalidInput("its vectors are cut to fewer dimensions, which nothing can follow")
        self._model, self._pictures = model, pictures
        try:
            self._texts = text_tower(model)
            tower = image_tower(model)
            setup = describe_images(tower)
        except Unsuitable as problem:
            raise InvalidInput(f"it cannot be trained on pictures: {problem}") from problem
        self._trunk, self._ends = _trunk(model, tower)
        width = int(self._trunk.get_embedding_dimension() or 0)
        self._setup = replace(setup, dimension=width)
        self._words = Trainee(self._texts)
        self._known: dict[tuple[TextRole, str], NDArray[np.float32]] = {}
        self._rows: dict[str, int] = {}
        self._seen: NDArray[np.float32] = np.empty((0, width), np.float32)
        self._mean: Tensor | None = None
        self._deviation: Tensor | None = None
        torch.manual_seed(seed)
        self._heads = _heads(self._words.dimension, width, form, keep=self._ends)
        self._heads.to(model.device)

    @classmethod
    def open(
        cls,
        checkpoint: Checkpoint,
        pictures: KeptPictures,
        form: Projections,
        *,
        threads: int,
        seed: int,
    ) -> FrozenTowers:
        """The model of a folder with new projections; raises ModelError, InvalidInput."""
        if threads:
            torch.set_num_threads(threads)
        model = load_model(replace(checkpoint, folder=checkpoint.images_folder))
        return cls(model, pictures, form, seed)

    def look(self, trained: Iterable[str], tell: Tell) -> None:
        """Send all pictures through their tower; ``trained`` are the keys of those trained on.

        By these features are brought to mean 0 and deviation 1, unless projections begin as the
        identity.
        """
        keys = self._pictures.keys
        self._rows = {key: row for row, key in enumerate(keys)}
        if not keys:
            return
        with TemporaryFile() as file, TemporaryDirectory() as folder:
            shape = (len(keys), self._setup.dimension)
            self._seen = np.memmap(file, np.float32, "w+", shape=shape)
            tower = self._tower(Path(folder))
            for start in range(0, len(keys), BLOCK):
                tell(Progress("looking at the pictures", start, len(keys)))
                some = self._pictures.read(keys[start : start + BLOCK])
                fitted = [Fitted(pixels, self._pictures.fit) for pixels in some]
                self._seen[start : start + len(some)] = tower.embed(fitted)
            tower.close()
        if not self._ends:
            self._scale([self._rows[key] for key in trained])

    def _tower(self, folder: Path) -> ImageTower:
        """The tower of pictures: as a graph where there is no GPU, which is ten times as fast."""
        if self._model.device.type == "cpu":
            try:
                graph = convert_tower(self._trunk, self._setup, folder / "tower.xml")
                return ImageTower("", self._setup, graph)
            except Unsuitable:
                pass  # torch takes any tower
        return ImageTower("", self._setup, TorchImages(self._trunk, self._setup))

    def _scale(self, rows: Sequence[int]) -> None:
        features = self._seen[sorted(set(rows))]
        deviation = features.std(axis=0)
        floor = LEAST_DEVIATION * float(deviation.mean())
        self._mean = torch.from_numpy(features.mean(axis=0)).to(self.device)
        self._deviation = torch.from_numpy(np.maximum(deviation, floor)).to(self.device)

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self._model.device

    @property
    def dimension(self) -> int:
        """The number of components of its vectors."""
        last: Any = self._heads[TEXT]
        return int(last[-1].out_features)

    @property
    def precision(self) -> str:
        """The number format of its products, in a word."""
        return "f32"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters of the projections, by name."""
        return dict(self._heads.named_parameters())

    def plan(self, items: Sequence[Item], role: TextRole) -> list[FeatureBatch]:
        """All texts, and all pictures."""
        texts = [(place, item) for place, item in enumerate(items) if isinstance(item, str)]
        views = [(place, item) for place, item in enumerate(items) if isinstance(item, View)]
        batches = []
        if texts:
            features = self._of_texts([text for _, text in texts], role)
            batches.append(self._batch([place for place, _ in texts], features, TEXT))
        if views:
            rows = [self._rows[view.picture] for _, view in views]
            batches.append(self._batch([place for place, _ in views], self._seen[rows], IMAGE))
        return batches

    def _batch(
        self, places: Sequence[int], features: NDArray[np.float32], kind: str
    ) -> FeatureBatch:
        held = torch.from_numpy(np.ascontiguousarray(features)).to(self.device)
        if kind == IMAGE and self._mean is not None and self._deviation is not None:
            held = (held - self._mean) / self._deviation
        return FeatureBatch(np.array(places, np.intp), held, kind)

    def _of_texts(self, texts: Sequence[str], role: TextRole) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._known]
        if new:
            vectors = self._words.embed(new, role)
            self._known |= {(role, text): row for text, row in zip(new, vectors, strict=True)}
        return np.stack([self._known[role, text] for text in texts])

    def forward(self, batch: FeatureBatch, role: TextRole) -> Tensor:  # noqa: ARG002 - told before
        """(rows, d) float32 of unit length, with gradients."""
        return nn.functional.normalize(self._heads[batch.kind](batch.features), dim=1)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Leave out some features by chance."""
        self._heads.train()
        try:
            yield
        finally:
            self._heads.eval()

    def embed(self, items: Sequence[Item], role: TextRole) -> Vectors:
        """(n, d) unit vectors as the projections stand."""
        return embed(self, items, role)

    def save(self, folder: Path) -> None:
        """Write both towers with their projections as a folder that sentence-transformers loads."""
        from sentence_transformers.sentence_transformer.modules import Normalize, Router

        ways: dict[str, list[Any]] = {
            TEXT: [*self._texts.children(), Normalize(), *self._written(TEXT)],
            IMAGE: [*self._trunk.children(), Normalize(), *self._written(IMAGE)],
        }
        mappings: dict[tuple[str | None, str | tuple[str, ...] | None], str] = {
            (None, TEXT): TEXT,
            (None, IMAGE): IMAGE,
        }
        router = Router(ways, default_route=TEXT, route_mappings=mappings)
        with hushed():
            whole = _model(self._model, [router, Normalize()])
            whole.save(str(folder), create_model_card=False)

    def _written(self, kind: str) -> list[Any]:
        """The layers of a projection as sentence-transformers has them, scaling included."""
        from sentence_transformers.sentence_transformer.modules import Dense

        head: Any = self._heads[kind]
        layers = [layer for layer in head if isinstance(layer, nn.Linear)]
        written = []
        for number, layer in enumerate(layers):
            last = number == len(layers) - 1
            activation = nn.Identity() if last else nn.GELU()
            dense = Dense(layer.in_features, layer.out_features, activation_function=activation)
            weight, bias = layer.weight.detach(), layer.bias.detach()
            if kind == IMAGE and number == 0 and self._mean is not None:
                assert self._deviation is not None
                weight = weight / self._deviation
                bias = bias - weight @ self._mean
            with torch.no_grad():
                dense.linear.weight.copy_(weight)
                dense.linear.bias.copy_(bias)
            written.append(dense)
        return written


def _trunk(
    model: SentenceTransformer, tower: SentenceTransformer
) -> tuple[SentenceTransformer, bool]:
    """A tower of images up to its pooling, and whether that is all of it but for lengths."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modules = list(tower.children())
    pooled = next((at for at, one in enumerate(modules) if isinstance(one, Pooling)), None)
    if pooled is None:
        return tower, True
    rest = modules[pooled + 1 :]
    ends = all(isinstance(one, Normalize) for one in rest)
    return _model(model, modules[: pooled + 1]), ends


def _model(like: SentenceTransformer, modules: Sequence[Any]) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        modules=list(modules),
        device=str(like.device),
        prompts={name: prompt or "" for name, prompt in like.prompts.items()},
        default_prompt_name=like.default_prompt_name,
    ).eval()


def _heads(texts: int, pictures: int, form: Projections, *, keep: bool) -> nn.ModuleDict:
    """The projections: of chance, or, if the towers' vectors are in one space, the identity."""
    if keep and texts == pictures:
        return nn.ModuleDict({kind: nn.Sequential(_identity(texts)) for kind in (TEXT, IMAGE)})
    layers: list[nn.Module] = [nn.Dropout(form.dropout)]
    if form.hidden:
        layers += [nn.Linear(pictures, form.hidden), nn.GELU(), nn.Dropout(form.dropout)]
    layers.append(nn.Linear(form.hidden or pictures, form.size))
    heads = {TEXT: nn.Sequential(nn.Linear(texts, form.size)), IMAGE: nn.Sequential(*layers)}
    return nn.ModuleDict(heads).eval()


def _identity(size: int) -> nn.Linear:
    layer = nn.Linear(size, size)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
