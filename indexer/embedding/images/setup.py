"""The settings of a tower of images, and the files of a model that has one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from indexer.pictures import Fit

PROCESSOR: Final = "processor_config.json"
IMAGE_PROCESSOR: Final = "preprocessor_config.json"
TEXT_WAY: Final = "text"


@dataclass(frozen=True, slots=True)
class ImageSetup:
    """The form of its images, and the numbers that pixels of 0 to 255 are turned into.

    A pixel becomes ``(pixel * scale - mean) / deviation``, channel by channel.
    """

    fit: Fit
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    dimension: int

    @property
    def digest(self) -> str:
        """A text that two setups share only if they are the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def decode(cls, fields: dict[str, Any]) -> ImageSetup:
        """The setup from what ``asdict`` gave, after a way through JSON."""
        return cls(
            fit=Fit(**fields["fit"]),
            scale=float(fields["scale"]),
            mean=tuple(fields["mean"]),
            deviation=tuple(fields["deviation"]),
            dimension=int(fields["dimension"]),
        )


def has_images(folder: Path) -> bool:
    """Return whether a model's folder has settings for images; no model is loaded."""
    return any(_is_for_images(file) for file in folder.rglob("*processor_config.json"))


def _is_for_images(file: Path) -> bool:
    try:
        settings = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(settings, dict):
        return False
    if file.name == PROCESSOR:
        return "image_processor" in settings
    return file.name == IMAGE_PROCESSOR and "image_processor_type" in settings


def text_folder(folder: Path) -> Path:
    """The folder of the model that a model of images and texts has for its texts.

    Within a Router's folder that is the folder of its way ``text``, if a whole model lies there:
    its vectors, and so its identity, are that model's. Else it is the folder itself.
    """
    try:
        first, *_ = json.loads((folder / "modules.json").read_bytes())
        router = folder / first["path"]
        ways = json.loads((router / "router_config.json").read_bytes())["structure"]
        found = (router / ways[TEXT_WAY][0]).resolve()
    except (OSError, ValueError, LookupError, TypeError):
        return folder
    is_whole = (found / "modules.json").is_file() and found.is_relative_to(folder.resolve())
    return found if is_whole else folder
