"""Images: the facts of a file, its pixels, and the form in which a model wants them.

Nothing here knows a file format or a model. NumPy and Pillow are imported when pixels are worked
on, so that a process that only names images starts fast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from indexer.errors import InvalidInput, MissingExtra
from indexer.filters import Metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Pixels: TypeAlias = "NDArray[np.uint8]"
"""(height, width, 3) uint8: sRGB, upright."""

_SMOOTH: Final = frozenset({1, 2, 3})
"""Pillow's numbers of the filters by which a part differs from the whole by rounding alone."""

_REACH: Final = 4
"""More rows than any of Pillow's filters looks to each side, once they are scaled."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The facts of an image file. Width and height are those of the image as it is looked at.

    ``place`` is the absolute path of a file that stays where it was indexed, None for one that the
    collection keeps; ``modified`` the nanosecond of its last change. ``caption`` and ``details``
    are what the file says of itself (EXIF).
    """

    media_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    place: str | None = None
    modified: int = 0
    caption: str = ""
    details: Metadata = field(default_factory=dict)

    def encode(self) -> str:
        """The facts as canonical JSON: equal pictures give equal strings."""
        told = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def plain(self) -> dict[str, Any]:
        """The facts as a JSON object for readers anywhere, who need not know its place."""
        return {
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "kept": self.place is None,
        }

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """The facts that :meth:`encode` wrote; raises ValueError or TypeError for other texts."""
        told: Mapping[str, Any] = json.loads(encoded)
        return cls(**told)


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """The files of a picture that a collection keeps: a small JPEG of it, and itself.

    ``original`` is None if the picture stays where it was indexed.
    """

    thumbnail: bytes
    original: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """The form in which a model wants an image: scaled, then cut to ``width`` x ``height``.

    With ``shortest`` the image keeps its proportions, its shorter side gets that length, and the
    middle is kept; without it the image is scaled to the size as it is. ``resample`` is Pillow's
    number of a filter.
    """

    width: int
    height: int
    shortest: int | None
    resample: int

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """The width and height that an image of this size is scaled to."""
        if self.shortest is None:
            return self.width, self.height
        # As transformers rounds: down, in this order of products.
        if width <= height:
            return self.shortest, int(self.shortest * height / width)
        return int(self.shortest * width / height), self.shortest

    def apply(self, image: Image.Image) -> Image.Image:
        """An RGB image in this form."""
        size = self.scaled(*image.size)
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        across, down = image.width / size[0], image.height / size[1]
        is_tall = image.height - size[1] >= 2 * (image.width - size[0])
        is_plain = is_tall or self.resample not in _SMOOTH
        if min(left, top) < 0 or min(across, down) < 1 or is_plain:
            around = (left, top, left + self.width, top + self.height)
            return image.resize(size, self.resample).crop(around)
        # Only what is kept is made smaller: a third less work. Rows first, then columns, as Pillow
        # does with a whole image unless it is tall, which rounds otherwise than the other order.
        first = max(0, int((top - _REACH) * down))
        last = min(image.height, math.ceil((top + self.height + _REACH) * down))
        right = min((left + self.width) * across, image.width)
        wide: tuple[float, float, float, float] = (left * across, first, right, last)
        narrow = image.resize((self.width, last - first), self.resample, wide)
        bottom = min((top + self.height) * down, image.height) - first
        high = (0, top * down - first, self.width, bottom)
        return narrow.resize((self.width, self.height), self.resample, high)

    def of(self, pixels: Pixels) -> Fitted:
        """Pixels in this form. Raises InvalidInput for an array that is no image."""
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtra("pillow", "images") from error
        import numpy as np

        _check(pixels)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return Fitted(np.asarray(self.apply(image)), self)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Pixels of an image that were brought into a form; (fit.height, fit.width, 3)."""

    pixels: Pixels
    fit: Fit


@dataclass(frozen=True, slots=True, eq=False)
class Developed:
    """A picture that was read to be stored: its pixels for the model, and the files to keep."""

    fitted: Fitted
    files: PictureFiles

    @property
    def nbytes(self) -> int:
        """The memory it takes, in bytes."""
        kept = self.files.original or b""
        return self.fitted.pixels.nbytes + len(self.files.thumbnail) + len(kept)


def _check(pixels: Pixels) -> None:
    shape, dtype = getattr(pixels, "shape", None), getattr(pixels, "dtype", None)
    if dtype != "uint8" or shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise InvalidInput(
            f"an image is an array of (height, width, 3) uint8, red, green and blue; got "
            f"{type(pixels).__name__ if shape is None else f'{shape} {dtype}'}"
        )
