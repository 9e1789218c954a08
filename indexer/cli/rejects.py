"""Rejected inputs: counted by reason, kept in files until somebody has seen them, and shown.

``bearing rejects`` shows them. Only ``bearing rejects --clear`` marks them as seen: a person must
say so, a later run does not. A run that finds an unseen file writes the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self, TextIO

import typer

from indexer.cli import messages
from indexer.cli.messages import readable_time
from indexer.cli.options import Data, Json, Name, open_library
from indexer.errors import StorageFailed
from indexer.library import DEFAULT_COLLECTION
from indexer.readers.reading import Rejection

REASONS_SHOWN: Final = 10
REASON_CHARACTERS: Final = 160

MOST_REASONS: Final = 1_000
"""Reasons that are told apart; inputs with a further one count with the last."""

_VARYING: Final = re.compile(
    r"(?:'(?:[^'\\]|\\.)*'(?:, )?)+"
    r'|(?:"(?:[^"\\]|\\.)*"(?:, )?)+'
    r"|[\d.,]*\d"
)
"""The parts that differ between inputs with one reason: quoted text, and numbers."""


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """The inputs rejected for a reason, worded as for the first of them, with its place."""

    reason: str
    inputs: int
    first: str


class Reasons:
    """Rejections counted by reason, whatever names and numbers they quote."""

    def __init__(self) -> None:
        self._counts: dict[str, ReasonCount] = {}

    def add(self, rejection: Rejection) -> None:
        """Count one."""
        kind = _VARYING.sub("…", rejection.reason)
        if kind not in self._counts and len(self._counts) == MOST_REASONS:
            kind = next(reversed(self._counts))
        known = self._counts.get(kind) or ReasonCount(rejection.reason, 0, rejection.place)
        self._counts[kind] = ReasonCount(known.reason, known.inputs + 1, known.first)

    def counted(self) -> tuple[ReasonCount, ...]:
        """The reasons, most inputs first."""
        return tuple(sorted(self._counts.values(), key=lambda one: -one.inputs))


def count_reasons(rejections: Iterable[Rejection]) -> tuple[ReasonCount, ...]:
    """The reasons of rejections, most inputs first."""
    reasons = Reasons()
    for rejection in rejections:
        reasons.add(rejection)
    return reasons.counted()


def reason_lines(reasons: Sequence[ReasonCount]) -> Iterator[str]:
    """A line for each reason, the most frequent first, and one for those beyond REASONS_SHOWN."""
    width = len(f"{reasons[0].inputs:,}") if reasons else 0
    for one in reasons[:REASONS_SHOWN]:
        others = "" if one.inputs == 1 else " and others"
        reason = one.reason
        if len(reason) > REASON_CHARACTERS:
            reason = reason[: REASON_CHARACTERS - 1] + "…"
        yield messages.printable(f"  {one.inputs:>{width},}  {one.first}{others}: {reason}")
    if len(reasons) > REASONS_SHOWN:
        rest = sum(one.inputs for one in reasons[REASONS_SHOWN:])
        yield f"  {rest:,} more for {len(reasons) - REASONS_SHOWN:,} other reasons"


def kept_files(folder: Path, name: str) -> list[Path]:
    """The files of a collection's runs that have not been seen, the earliest first."""
    pattern = re.compile(rf"{re.escape(name)}\.rejects(?:-(\d+))?\.jsonl")
    found = []
    for path in folder.glob(f"{name}.rejects*.jsonl"):
        matched = pattern.fullmatch(path.name)
        if matched and path.stat().st_size:
            found.append((int(matched[1] or 1), path))
    return [path for _, path in sorted(found)]


class RejectsFile:
    """The rejections of one run, as JSON Lines of place and reason; created with the first one.

    It lies in a folder beside those of earlier runs of the collection. If it equals the last of
    them, only that one is kept. A path given by the user holds this run's rejections alone.
    """

    def __init__(self, folder: Path, name: str, given: Path | None = None) -> None:
        self._given = given
        self._earlier = kept_files(folder, name) if given is None else []
        self._reasons = Reasons()
        self._file: TextIO | None = None
        self.path = given or folder / _next_name(name, self._earlier)

    def __enter__(self) -> Self:
        if self._given is not None and self._given.exists():
            self._open().close()  # drop the rejections of an earlier run
            self._file = None
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is None:
            return
        self._file.close()
        if self._earlier and self.path.read_bytes() == self._earlier[-1].read_bytes():
            self.path.unlink()
            self.path = self._earlier[-1]

    @property
    def earlier(self) -> int:
        """The number of earlier runs' files that have not been seen."""
        return sum(path != self.path for path in self._earlier)

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The reasons of this run's rejections, most inputs first."""
        return self._reasons.counted()

    def add(self, rejection: Rejection) -> None:
        """Write one rejection at once, so that it survives whatever happens next."""
        file = self._file or self._open()
        file.write(json.dumps(asdict(rejection), ensure_ascii=False) + "\n")
        file.flush()
        self._reasons.add(rejection)

    def _open(self) -> TextIO:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise StorageFailed(
                f"cannot write rejects to {self.path}: {error.strerror}; "
                "name another file with --rejects"
            ) from error
        return self._file


def _next_name(name: str, earlier: Sequence[Path]) -> str:
    if not earlier:
        return f"{name}.rejects.jsonl"
    last = re.search(r"-(\d+)\.jsonl$", earlier[-1].name)
    return f"{name}.rejects-{int(last[1]) + 1 if last else 2}.jsonl"


def rejects(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete what is shown: it has been seen.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the inputs that runs rejected, and why; each is kept until --clear marks it as seen."""
    with open_library(data) as library:
        folder = library.folder or Path()
    runs = [_read_run(path) for path in kept_files(folder, collection)]
    if as_json:
        messages.say_json({"collection": collection, "runs": runs, "cleared": clear})
    elif not runs:
        messages.note(f"no rejects of {collection!r} are kept in {folder}")
    else:
        for run in runs:
            messages.say("\n".join(_run_lines(run)))
    if clear:
        for run in runs:
            Path(run["file"]).unlink(missing_ok=True)
    elif runs and not as_json:
        messages.note("--clear deletes them, once you have seen them")


def _read_run(path: Path) -> dict[str, Any]:
    found = list(_read_rejections(path))
    return {
        "file": str(path),
        "written": path.stat().st_mtime,
        "rejected": len(found),
        "reasons": [asdict(one) for one in count_reasons(found)],
        "rejects": [asdict(one) for one in found],
    }


def _read_rejections(path: Path) -> Iterator[Rejection]:
    lines = path.read_text("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield Rejection(**json.loads(line))
        except (ValueError, TypeError):
            yield Rejection(f"{path}:{number}", "this line of the rejects is damaged")


def _run_lines(run: dict[str, Any]) -> Iterator[str]:
    counted = messages.counted(run["rejected"], "input")
    yield f"{run['file']}, {readable_time(run['written'])}: {counted}"
    yield from reason_lines([ReasonCount(**one) for one in run["reasons"]])
    if run["rejected"] > len(run["reasons"]):
        yield ""
        for one in run["rejects"]:
            yield messages.printable(f"{one['place']}: {one['reason']}")
