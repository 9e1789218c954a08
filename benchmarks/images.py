"""How fast images are embedded, beside sentence-transformers, and whether the vectors agree.

Both go from files to vectors: Bearing decodes in processes with limits, as it does for users, and
sentence-transformers is handed what Pillow opens. They work in turns on the same images; ratios are
medians of those of neighbouring turns. ViT-B/32 has random weights, as no package brings others.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from app.demonstration import sample_photos
from benchmarks.servers import say
from indexer.embedding import DEFAULT_MODEL, Precision, open_embedder
from indexer.embedding.checkpoint import PHOTO_MODEL, find_checkpoint
from indexer.embedding.images.towers import image_tower
from indexer.errors import ModelError
from indexer.readers.pictures import fitted, read_pictures

SIDES: Final = (3_648, 2_736)
"""Width and height of an image of ten megapixels."""

WIDTH, DIMENSION = 768, 384
LOOK_SECONDS: Final = 0.02
MB: Final = 1e6
MAX_IMAGES: Final = 10_000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Turn:
    """A pair of ways to the same vectors: Bearing's and sentence-transformers'."""

    own: Callable[[], Vectors]
    reference: Callable[[], Vectors]


def save_vit(folder: Path, texts: Path) -> Path:
    """The default model's texts beside a ViT-B/32 with random weights, as a Router."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Router,
        Transformer,
    )
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(7)
    plain = folder.with_name("vit-plain")
    ViTModel(ViTConfig(patch_size=32)).save_pretrained(plain)
    ViTImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(plain)
    words = SentenceTransformer(str(texts), device="cpu")
    identity = torch.nn.Identity()
    images = [Transformer(str(plain)), Pooling(WIDTH, "cls")]
    images.append(Dense(WIDTH, DIMENSION, activation_function=identity))
    router = Router({"text": [words[0], words[1]], "image": images})
    SentenceTransformer(modules=[router, Normalize()], device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder


def in_turns(turn: Turn, rounds: int) -> dict[str, float]:
    """The medians of the ratios of neighbouring turns, and the least cosine of their vectors.

    ``ratio`` is by the clock, ``processor_ratio`` by the processor time of all processes.
    """
    turn.own(), turn.reference()
    clock, processor, seconds = [], [], []
    least = 1.0
    for _ in range(rounds):
        ours, theirs = _timed(turn.own), _timed(turn.reference)
        clock.append(theirs.seconds / ours.seconds)
        processor.append(theirs.processor_seconds / ours.processor_seconds)
        seconds.append(ours.seconds)
        least = min(least, float(np.vecdot(ours.vectors, theirs.vectors).min()))
    return {
        "ratio": round(statistics.median(clock), 2),
        "processor_ratio": round(statistics.median(processor), 2),
        "seconds": round(statistics.median(seconds), 3),
        "cosine": round(least, 6),
    }


@dataclass(frozen=True, slots=True)
class Timed:
    """Vectors, and what they took."""

    vectors: Vectors
    seconds: float
    processor_seconds: float


def _timed(work: Callable[[], Vectors]) -> Timed:
    started, processor = time.perf_counter(), _processor_seconds()
    vectors = work()
    taken = max(_processor_seconds() - processor, 1e-9)
    return Timed(vectors, time.perf_counter() - started, taken)


def _processor_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True, slots=True)
class Setting:
    """The images of all trials, and how they are tried; ``threads`` of 0 means all cores."""

    files: Sequence[Path]
    cache: Path
    rounds: int
    threads: int


def measure_model(name: str, folder: Path, precision: Precision, tried: Setting) -> dict[str, Any]:
    """Images of files to vectors, by a model in this precision and by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    files = tried.files
    with open_embedder(
        name, cache=tried.cache, precision=precision, threads=tried.threads
    ) as embedder:
        reference = SentenceTransformer(str(folder), device="cpu")

        def own() -> Vectors:
            contents = [file.read_bytes() for file in files]
            return embedder.embed_images(fitted(read_pictures(contents, embedder.fit)))

        def theirs() -> Vectors:
            with contextlib.ExitStack() as stack:
                images = [stack.enter_context(Image.open(file)) for file in files]
                vectors: Vectors = reference.encode(
                    images, normalize_embeddings=True, show_progress_bar=False
                )
            return vectors

        found = in_turns(Turn(own, theirs), tried.rounds)
        rate = round(len(files) / found["seconds"], 1)
        return {**found, "images_per_second": rate, "runtime": asdict(embedder.runtime)}


def measure_preprocessing(folder: Path, tried: Setting) -> dict[str, float]:
    """Files of ten megapixels to the pixels that EfficientNet is given."""
    from sentence_transformers import SentenceTransformer

    processor = image_tower(SentenceTransformer(str(folder), device="cpu"))[0].processor
    settings: Any = getattr(processor, "image_processor", processor)
    files = tried.files
    with open_embedder(PHOTO_MODEL, cache=tried.cache) as embedder:
        fit = embedder.fit

    def own() -> Vectors:
        read = fitted(read_pictures([file.read_bytes() for file in files], fit))
        return _rows([one.pixels for one in read], settings)

    def theirs() -> Vectors:
        with contextlib.ExitStack() as stack:
            images = [stack.enter_context(Image.open(file)) for file in files]
            values = settings(images=images, return_tensors="np")["pixel_values"]
        return _unit(values.reshape(len(files), -1))

    return in_turns(Turn(own, theirs), tried.rounds)


def _rows(pixels: Sequence[NDArray[np.uint8]], settings: Any) -> Vectors:  # noqa: ANN401
    levels = np.stack(pixels).astype(np.float32) * settings.rescale_factor
    values = (levels - np.float32(settings.image_mean)) / np.float32(settings.image_std)
    return _unit(values.transpose(0, 3, 1, 2).reshape(len(pixels), -1))


def _unit(rows: NDArray[Any]) -> Vectors:
    wide = rows.astype(np.float64)
    unit: Vectors = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def measure_memory(odd: Path, cache: Path, folder: Path) -> dict[str, float]:
    """The most memory of ``bearing index`` over a folder of odd images, with its processes."""
    settings = {"BEARING_CACHE": str(cache), "BEARING_MODEL": PHOTO_MODEL}
    command = [sys.executable, "-m", "indexer", "index", str(odd), "--data", str(folder / "data")]
    most = 0
    with subprocess.Popen(
        [*command, "--json"],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        while process.poll() is None:
            most = max(most, _held(psutil.Process(process.pid)))
            time.sleep(LOOK_SECONDS)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
    return {"mb": round(most / MB), "written": told["written"], "rejected": told["rejected"]}


def _held(process: psutil.Process) -> int:
    """Resident bytes of a process and those that it started."""
    held = 0
    with contextlib.suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            held += each.memory_info().rss
    return held


def is_plain(file: Path) -> bool:
    """Return whether sentence-transformers reads an image as it is meant, too."""
    with Image.open(file) as image:
        turned = image.getexif().get(0x0112, 1) != 1
        return image.mode == "RGB" and "icc_profile" not in image.info and not turned


def enlarged(files: Sequence[Path], folder: Path) -> list[Path]:
    """The images at ten megapixels, as JPEG."""
    made = []
    for number, file in enumerate(files):
        made.append(folder / f"large-{number}.jpg")
        with Image.open(file) as image:
            image.resize(SIDES, Image.Resampling.LANCZOS).save(made[-1], quality=90)
    return made


def photos_in(folder: Path) -> list[Path]:
    """The photos of a folder that both read alike."""
    return [file for file in sorted(folder.glob("*.jpg")) if is_plain(file)]


def save_samples(folder: Path) -> Path:
    """A folder with the photos of the demonstration as plain JPEG."""
    folder.mkdir()
    for photo in map(Path, sample_photos()):
        with Image.open(photo) as image:
            image.convert("RGB").save(folder / f"{photo.stem}.jpg", quality=92, icc_profile=None)
    return folder


def measure(
    images: Path | None, odd: Path | None, rounds: int, most: int, threads: int
) -> dict[str, Any]:
    """All figures, the ratios first."""
    if threads:
        import torch

        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place), Path(place) / "cache"
        files = photos_in(images or save_samples(folder / "photos"))[:most]
        tried = Setting(files, cache, rounds, threads)
        made = find_checkpoint(PHOTO_MODEL, cache).images_folder
        say(f"{len(files)} images")
        efficient = measure_model(PHOTO_MODEL, made, Precision.F32, tried)
        say(f"EfficientNet in float32: {efficient}")
        vit = save_vit(folder / "vit", find_checkpoint(DEFAULT_MODEL, cache).folder)
        f32 = measure_model(str(vit), vit, Precision.F32, tried)
        say(f"ViT-B/32 in float32: {f32}")
        bf16 = None
        with contextlib.suppress(ModelError):  # of a processor without bf16
            bf16 = measure_model(str(vit), vit, Precision.BF16, tried)
        say(f"in bf16: {bf16}")
        large = replace(tried, files=enlarged(files[:4], folder))
        pixels = measure_preprocessing(made, large)
        say(f"ten megapixels to pixels: {pixels}")
        memory = measure_memory(odd, cache, folder) if odd else None
    return {
        "ratio_efficientnet": efficient["ratio"],
        "ratio_vit_f32": f32["ratio"],
        "ratio_vit_bf16": bf16 and bf16["ratio"],
        "ratio_preprocess": pixels["ratio"],
        "peak_mb": memory and memory["mb"],
        "images": len(files),
        "efficientnet": efficient,
        "vit_f32": f32,
        "vit_bf16": bf16,
        "preprocess": pixels,
        "odd": memory,
    }


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument(
        "images", type=Path, nargs="?", help="a folder of photos, as JPEG; else the demonstration's"
    )
    parser.add_argument("--odd", type=Path, help="a folder of odd images, indexed for its memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=MAX_IMAGES, help="images, at most")
    parser.add_argument("--threads", type=int, default=0, help="of both; 0 means all cores")
    parser.add_argument("--json", action="store_true", help="print one object, and no progress")
    given = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sentence-transformers' softmax without an axis
        found = measure(given.images, given.odd, given.rounds, given.most, given.threads)
    print(json.dumps(found, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
