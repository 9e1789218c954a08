"""The kinds of files that hold no documents here, told by how their content begins.

So a file that is not read is named for what it is, whatever its name.
"""

from __future__ import annotations

import re
from typing import Final

OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The container of Office files before 2007, and of encrypted ones since."""

ENCRYPTED: Final = "encrypted: it opens with a password only; save it without"

_KINDS: Final = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
        (rb"\xff\xd8\xff", "a JPEG image"),
        (rb"GIF8[79]a", "a GIF image"),
        (rb"RIFF.{4}WEBP", "a WebP image"),
        (rb"BM.{4}\0\0\0\0.{4}[\x0c\x28\x6c\x7c]\0\0\0", "a BMP image"),
        (rb"II\*\0|MM\0\*", "a TIFF image"),
        (rb"\0\0\x01\0.{4}[\x00-\x01]", "an icon"),
        (rb"8BPS", "a Photoshop file"),
        (rb".{4}ftyp(?:avif|avis)", "an AVIF image"),
        (rb".{4}ftyp(?:hei[cfsx]|mif1|msf1)", "a HEIC image"),
        (rb".{4}ftypM4A", "a sound"),
        (rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01\xba", "a film"),
        (rb"RIFF.{4}WAVE|ID3|fLaC|OggS|MThd|\xff[\xfb\xf3\xf2]", "a sound"),
        (rb"7z\xbc\xaf'\x1c", "a 7z archive: unpack it, or pack it as .zip"),
        (rb"Rar!\x1a\x07", "a RAR archive: unpack it, or pack it as .zip"),
        (rb"MSCF", "a cabinet archive: unpack it"),
        (rb"\xfd7zXZ\0", "packed by xz: unpack it, or pack it by gzip"),
        (rb"BZh[1-9]1AY&SY", "packed by bzip2: unpack it, or pack it by gzip"),
        (rb"\x28\xb5\x2f\xfd", "packed by zstd: unpack it, or pack it by gzip"),
        (rb"\x04\x22M\x18", "packed by lz4: unpack it, or pack it by gzip"),
        (rb"SQLite format 3\0", "an SQLite database"),
        (rb"\0\x01\0\0Standard (?:Jet|ACE)", "an Access database"),
        (rb"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (rb"\x93NUMPY", "a NumPy array"),
        (rb"ARROW1", "an Arrow file: save it as Parquet"),
        (rb"Obj\x01", "an Avro file: save it as Parquet"),
        (rb"ORC", "an ORC file: save it as Parquet"),
        (rb"\x80[\x02-\x05][\x95}\]c(]", "a pickle of Python"),
        (rb"\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe", "a program"),
        (rb"MZ.{58}", "a program of Windows"),
        (rb"\xca\xfe\xba\xbe", "compiled Java"),
        (rb"\0asm", "a WebAssembly program"),
        (rb"\0\x01\0\0\0|OTTO\0|ttcf|wOF[F2]", "a font"),
        (rb"%!PS", "a PostScript file: save it as PDF"),
        (rb"AT&TFORM", "a DjVu file: save it as PDF"),
        (rb".{60}BOOKMOBI", "a Kindle book: save it as .epub"),
        (rb"!BDN", "an Outlook mailbox (.pst): export it as .mbox or .eml"),
        (rb"-----BEGIN PGP MESSAGE|\x85\x01|\x85\x02", "encrypted by PGP"),
    )
)

_OLD: Final = (
    ("EncryptedPackage", ENCRYPTED),
    ("WordDocument", "an old Word file (.doc): save it as .docx"),
    ("PowerPoint Document", "an old PowerPoint file (.ppt): save it as .pptx"),
    ("Workbook", "an old Excel file: call it .xls"),
    ("__properties_version1.0", "an Outlook message (.msg): save it as .eml"),
    ("\x05SummaryInformation", "an old Office file: save it in a form of today"),
)


def kind_of(start: bytes) -> str | None:
    """The kind of a file that begins so, with what to do about it; None if it is not known."""
    if start.startswith(OLD_OFFICE):
        names = (kind for name, kind in _OLD if name.encode("utf-16-le") in start)
        return next(names, "an old Office file: save it in a form of today")
    return next((kind for pattern, kind in _KINDS if pattern.match(start)), None)


def refusal(kind: str) -> str:
    """The reason why a file of a kind is not read."""
    return kind if ":" in kind else f"{kind}, which is not read"
