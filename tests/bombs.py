"""What unpacks to far more than fits the memory: members of ZIP archives, and streams."""

from __future__ import annotations

import io
import zipfile
import zlib

BLOCK = b" " * 2**20
SUM = bytes(4)
"""In place of the sum over all bytes, which who reads what is too large never comes to."""


def with_bomb(archive: bytes, name: str, begin: bytes = b"", megabytes: int = 2_000) -> bytes:
    """The archive, with one more member of so many spaces behind its beginning, or in place of one.

    Its deflated blocks are made once and repeated, since packing them all would take seconds.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    data = first + block * megabytes + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.CRC = 0
    info.compress_size, info.file_size = len(data), len(begin) + len(BLOCK) * megabytes
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as given, zipfile.ZipFile(out, "w") as made:
        for each in given.namelist():
            if each != name:
                made.writestr(each, given.read(each))
        info.header_offset = out.tell()
        out.write(info.FileHeader() + data)
        made.filelist.append(info)
        made.start_dir = out.tell()
    return out.getvalue()


def stream_of(block: bytes, times: int) -> bytes:
    """A zlib stream that unpacks to a block so many times; it is packed once."""
    packer = zlib.compressobj(9)
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (times - 1) + zlib.compressobj(9, zlib.DEFLATED, -15).flush() + SUM
