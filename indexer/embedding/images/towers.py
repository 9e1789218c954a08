"""The towers of a model of texts and images, each as a sentence-transformers model of its own.

CLIP and SigLIP are one module with two ways through it; a Router by modality has a list of modules
for each. Imported where torch is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from indexer.embedding.backends import Unsuitable
from indexer.embedding.embedder import Modality, TextRole
from indexer.embedding.images.setup import ImageSetup
from indexer.pictures import Fit

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

PADDED: Final = "siglip"
"""Models of this kind read the vector of a text's last place, so all texts are equally long."""


def text_tower(model: SentenceTransformer) -> SentenceTransformer:
    """The model for texts alone; the model itself where it is for nothing else.

    Raises Unsuitable where queries and documents go different ways beside images.
    """
    if Modality.IMAGE not in model.modalities:
        return model
    ways = [_modules(model, Modality.TEXT, role) for role in TextRole]
    if ways[0] != ways[1]:
        raise Unsuitable("beside images, it routes queries and documents differently")
    tower = _model_of(model, ways[0])
    if is_padded(tower):
        # As such models were trained; without it a vector would depend on its batch.
        fixed = {
            "padding": "max_length",
            "max_length": tower.max_seq_length,
            "return_attention_mask": False,
        }
        first: Any = tower[0]
        first.processing_kwargs = {**first.processing_kwargs, "text": fixed}
    return tower


def image_tower(model: SentenceTransformer) -> SentenceTransformer:
    """The model for images alone. Raises Unsuitable if it has no way for them."""
    if Modality.IMAGE not in model.modalities:
        raise Unsuitable("it embeds no images")
    import torch

    tower = _model_of(model, _modules(model, Modality.IMAGE, TextRole.DOCUMENT))
    for module in tower.modules():
        # Activations are saved by their class alone; torch would guess the axis, and warn of it.
        if isinstance(module, torch.nn.Softmax) and module.dim is None:
            module.dim = -1
    return tower


def is_padded(model: SentenceTransformer) -> bool:
    """Return whether all texts of a model are padded to its window."""
    config = getattr(model[0], "config", None)
    return str(getattr(config, "model_type", "")).startswith(PADDED)


def _model_of(
    model: SentenceTransformer, modules: Sequence[torch.nn.Module]
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    tower = SentenceTransformer(
        modules=list(modules),
        device=str(model.device),
        prompts={name: prompt or "" for name, prompt in model.prompts.items()},
        default_prompt_name=model.default_prompt_name,
        truncate_dim=model.truncate_dim,
    )
    tower.eval()
    return tower


def _modules(
    model: SentenceTransformer, modality: Modality, role: TextRole
) -> list[torch.nn.Module]:
    """The modules that an input of this kind goes through, Routers resolved."""
    from sentence_transformers.base.modules import Router

    found: list[torch.nn.Module] = []
    for module in model.children():
        if isinstance(module, Router):
            found += module.sub_modules[_route(module, modality, role)].children()
        else:
            found.append(module)
    return found


def _route(router: Any, modality: Modality, role: TextRole) -> str:  # noqa: ANN401
    """The name of a Router's way, in the order in which sentence-transformers looks for it."""
    mapped, named = router.route_mappings, router.sub_modules
    for key in ((role.value, modality.value), (role.value, None), (None, modality.value)):
        if key in mapped:
            return str(mapped[key])
    if (None, None) in mapped:
        return str(mapped[None, None])
    for name in (role.value, modality.value, router.default_route):
        if name in named:
            return str(name)
    raise Unsuitable(f"its Router has no way for a {modality}")


def describe_images(tower: SentenceTransformer) -> ImageSetup:
    """The settings of a tower of images. Raises Unsuitable for those that are not supported."""
    processor: Any = tower[0].processor
    settings = getattr(processor, "image_processor", processor)
    for name, expected in (("do_rescale", True), ("do_normalize", True), ("do_resize", True)):
        if getattr(settings, name, None) is not expected:
            raise Unsuitable(f"its images are processed without {name}")
    return ImageSetup(
        fit=_fit(settings),
        scale=float(settings.rescale_factor),
        mean=tuple(float(each) for each in settings.image_mean),
        deviation=tuple(float(each) for each in settings.image_std),
        dimension=int(tower.get_embedding_dimension() or 0),
    )


def _fit(settings: Any) -> Fit:  # noqa: ANN401
    size, crop = _sizes(settings.size), _sizes(getattr(settings, "crop_size", None))
    resample = int(settings.resample)
    is_cut = bool(getattr(settings, "do_center_crop", False))
    shortest = size.get("shortest_edge")
    if shortest and not size.get("longest_edge") and is_cut:
        if max(crop["height"], crop["width"]) <= shortest:
            return Fit(crop["width"], crop["height"], shortest, resample)
    elif size.get("height") and size.get("width") and not is_cut:
        return Fit(size["width"], size["height"], None, resample)
    raise Unsuitable(f"its images are scaled in a way that is not supported ({size}, cut {crop})")


def _sizes(given: Any) -> Mapping[str, int]:  # noqa: ANN401
    """The lengths that are set, by name."""
    names = ("height", "width", "shortest_edge", "longest_edge")
    read = given.get if hasattr(given, "get") else lambda name: getattr(given, name, None)
    return {name: int(value) for name in names if (value := read(name))} if given else {}
