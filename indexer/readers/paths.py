"""Paths to files, folders and standard input: finding what they hold, and reading it.

In a folder, files are read in the order of their names, subfolders included. Hidden files and
folders (``.git``) are skipped, unless named themselves; links are followed, but no folder is
entered twice. Everything else that is not read is rejected with the reason.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.formats import (
    GZIP,
    Format,
    format_of,
    format_of_content,
    is_told_by_content,
    known_suffixes,
)
from indexer.readers.image_files import IMAGE, NamedImages, illustrated, kept_image
from indexer.readers.json_lines import STDIN, read_standard_input
from indexer.readers.kinds import kind_of, refusal
from indexer.readers.reading import USUAL, Fields, Member, Part, Read, Rejection
from indexer.readers.records import TEXT_FIELD
from indexer.readers.sources import Source, is_packed, kind_problem

START_BYTES: Final = 65_536
"""Bytes of a file's content by which its format is recognised."""

FoundFile = tuple[Source, Format] | Rejection


def check_paths(paths: Sequence[str]) -> None:
    """Raise Unreadable unless each path exists (``-`` at most once); call it before work."""
    if not paths:
        raise Unreadable("no input: give files, folders, or - for JSON Lines on standard input")
    if list(paths).count(STDIN) > 1:
        raise Unreadable("standard input (-) can be read only once")
    for path in paths:
        if path != STDIN and not os.path.lexists(path):
            raise Unreadable(f"no such file or folder: {path!r}")


def read_paths(
    paths: Sequence[str],
    fields: Fields = USUAL,
    *,
    stdin: BinaryIO | None = None,
    skip: Collection[Path] = (),
    short: bool = False,
) -> Iterator[Read]:
    """The documents of all these files, folders and standard input, in order, with rejections.

    Files in ``skip`` are skipped within folders. ``short`` names begin with the last part of a path
    as given, not with the whole. Raises Unreadable at once for a path that does not exist; whatever
    goes wrong later is a rejection.
    """
    check_paths(paths)
    return _read_all(paths, fields, stdin or sys.stdin.buffer, skip, short=short)


def input_parts(paths: Sequence[str], *, skip: Collection[Path] = ()) -> list[Part] | None:
    """The parts of the input that :func:`read_paths` will read; None if it includes standard input.

    Consecutive files of one format are one part.
    """
    if STDIN in paths:
        return None
    return parts_of(each for path in paths for each in find(path, skip))


def parts_of(files: Iterable[FoundFile]) -> list[Part]:
    """The parts that files make; consecutive ones of one format are one."""
    parts: list[Part] = []
    for found in files:
        if isinstance(found, Rejection):
            continue
        source, format = found
        name = format.name + (Part.PACKED if source.compressed else "")
        if parts and parts[-1].format == name:
            parts[-1] = Part(name, parts[-1].size + source.size)
        else:
            parts.append(Part(name, source.size))
    return parts


def _read_all(
    paths: Sequence[str], fields: Fields, stdin: BinaryIO, skip: Collection[Path], *, short: bool
) -> Iterator[Read]:
    before = 0
    named = NamedImages()
    for path in paths:
        if path == STDIN:
            for read in read_standard_input(stdin, fields, before):
                before = read.consumed
                yield illustrated(read, fields, Path())
            continue
        for found in _records_first(find(path, skip, fields), fields):
            if isinstance(found, Rejection):
                yield Read(found, before)
                continue
            source, format = found
            name = name_of(source.path.relative_to(Path(path).parent)) if short else source.name
            for read in read_source(
                replace(source, name=name, before=before), format, fields, source.path.parent
            ):
                if named.admits(read.item, is_file=format.name == IMAGE):
                    yield read
            before += source.size


def _records_first(found: Iterator[FoundFile], fields: Fields) -> Iterator[FoundFile]:
    """The images of a folder after all else in it, so that what names one is known by then."""
    images: list[FoundFile] = []
    for each in found:
        if fields.pictures and not isinstance(each, Rejection) and each[1].name == IMAGE:
            images.append(each)
        else:
            yield each
    yield from images


def read_source(
    source: Source, format: Format, fields: Fields, folder: Path | None = None
) -> Iterator[Read]:
    """The documents of one file, and a rejection of each part that cannot be read.

    Records name images by paths from ``folder``; without it they cannot.
    """
    consumed = source.before
    try:
        for found in format.read(source, fields):
            if isinstance(found, Member):
                for read in _read_member(source, found, fields):
                    yield replace(read, consumed=consumed)
            else:
                consumed = found.consumed
                yield illustrated(found, fields, folder) if format.records else found
    except Unreadable as error:
        yield source.gives(Rejection(source.name, str(error)))


def _read_member(source: Source, member: Member, fields: Fields) -> Iterator[Read]:
    """The documents of a file within another."""
    size = member.path.stat().st_size
    inner = Source(member.path, member.name, size, 0, False, source.depth + 1, source.allowance)
    found = _known(inner, PurePosixPath(member.called), fields)
    if isinstance(found, Rejection):
        yield Read(found, 0)
    else:
        yield from _read_sent(*found, fields)


def read_file(
    path: Path, name: str, fields: Fields = USUAL, called: str | None = None
) -> Generator[Read, None, None]:
    """The documents of one file that has, or had, another name than its path, with rejections.

    Ids and places begin with the name; the format is that of what it is ``called``, else of the
    name.
    """
    size = path.stat().st_size
    found = _known(Source(path, name, size), PurePosixPath(called or name), fields)
    if isinstance(found, Rejection):
        yield Read(found, size)
        return
    yield from _read_sent(*found, fields)


def _read_sent(source: Source, format: Format, fields: Fields) -> Iterator[Read]:
    """The documents of a file that will not stay where it is."""
    if format.name == IMAGE and fields.pictures:
        yield from kept_image(source)
    else:
        yield from read_source(source, format, fields)


def recognised(path: Path, name: str, size: int, fields: Fields = USUAL) -> FoundFile:
    """A file that is called otherwise than its path, in its format, or why it is not read."""
    return _known(Source(path, name, size), PurePosixPath(name), fields)


def find(path: str, skip: Collection[Path] = (), fields: Fields = USUAL) -> Iterator[FoundFile]:
    """The files at a path and below it, in order, and rejections of those that will not be read."""
    skipped = {each.absolute() for each in skip}
    entered: dict[tuple[int, int], str] = {}
    waiting = [Path(path)]
    while waiting:
        here = waiting.pop()
        try:
            status = here.stat()
            if not stat.S_ISDIR(status.st_mode):
                yield _file(here, status, fields)
                continue
            key = (status.st_dev, status.st_ino)
            if key in entered:
                yield Rejection(name_of(here), f"a link to {entered[key]}, which was read already")
                continue
            entered[key] = name_of(here)
            inside = sorted(each for each in here.iterdir() if not each.name.startswith("."))
        except OSError as error:
            broken = here.is_symlink() and not here.exists()
            reason = "a link that leads nowhere" if broken else str(error.strerror or error)
            yield Rejection(name_of(here), reason)
            continue
        waiting.extend(each for each in reversed(inside) if each.absolute() not in skipped)


def _file(path: Path, status: os.stat_result, fields: Fields) -> FoundFile:
    name = name_of(path)
    problem = kind_problem(status.st_mode)
    if problem:
        return Rejection(name, problem)
    return _known(Source(path, name, status.st_size), path, fields)


def _known(source: Source, called: PurePath, fields: Fields) -> FoundFile:
    """A file with the format by its name or content, or the reason why it is not read."""
    packed = called.suffix.lower() == GZIP or (not called.suffix and is_packed(source.path))
    source = replace(source, compressed=packed)
    format = format_of(called)
    if format and not is_told_by_content(called):
        return source, format
    try:
        start = source.start(START_BYTES)
    except Unreadable as error:
        return Rejection(source.name, str(error))
    if is_told_by_content(called):
        told = format_of_content(start, fields.text or TEXT_FIELD)
        if told:
            return source, told
    return Rejection(source.name, _unread(start, called))


def _unread(start: bytes, called: PurePath) -> str:
    """The reason why a file that begins so is not read."""
    kind = kind_of(start)
    if kind:
        return refusal(kind)
    if is_told_by_content(called):
        return "its name tells no format, and its content is no text"
    known = f"known are {known_suffixes()}, each with or without {GZIP}"
    return f"unknown format {called.suffix!r}; {known}"


def name_of(path: PurePath) -> str:
    """The path as given, with forward slashes; bytes that are not text are escaped."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
