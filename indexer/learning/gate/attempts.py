"""The number of candidates that were tried on the same judgements.

Of twenty candidates of no worth, one is better by chance at 5 %. So each that was trained or judged
counts, also if it was deleted since: a line for each is kept beside the models.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from indexer.errors import StorageFailed

ATTEMPTS: Final = ".attempts.jsonl"


def note_attempt(folder: Path, judgements: str, candidate: str) -> int:
    """Note a candidate for some judgements, durably, and return how many there are by now.

    Both are digests; a candidate that is noted again counts once.
    """
    path = folder / ATTEMPTS
    known = _read(path, judgements)
    if candidate not in known:
        line = json.dumps({"judgements": judgements, "candidate": candidate}) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageFailed(f"cannot write {path}: {error.strerror}") from error
    return len(known | {candidate})


def _read(path: Path, judgements: str) -> set[str]:
    """The candidates of these judgements; a line cut off by a crash is passed over."""
    found: set[str] = set()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return found
    except OSError as error:
        raise StorageFailed(f"cannot read {path}: {error.strerror}") from error
    for line in lines:
        try:
            one = json.loads(line)
            if one["judgements"] == judgements:
                found.add(str(one["candidate"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
