"""A million lines to train by, of all kinds, are read in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LINES = 1_000_000
MOST_MB = 400

READ = """
import json, re, sys
from pathlib import Path
from indexer.learning.examples_checks import gather
from indexer.learning.examples_files import read_examples

refused = 0
def refuse(_):
    global refused
    refused += 1
with gather(read_examples(sys.argv[1:], None), refuse) as examples:
    status = Path("/proc/self/status").read_text()  # ru_maxrss begins with that of who forked
    megabytes = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024
    longest = max(len(one.positive) for one in examples[:20_000])
    print(json.dumps([len(examples), refused, megabytes, longest]))
"""


def lines() -> Iterator[str]:
    """Fair lines, with NaN, garbage, repeats, other scripts and a megabyte among them."""
    for number in range(LINES):
        match number % 1_000:
            case 1:
                yield f'{{"query": "q{number}", "positive": "p", "grade": NaN}}'
            case 2:
                yield f"\x00 no JSON {number}"
            case 3:
                yield '{"query": "again", "positive": "and again"}'
            case 4 if number < 20_000:
                yield json.dumps({"query": f"long {number}", "positive": f"{number} " * 200_000})
            case 5:
                yield f'{{"query": "какой {number}", "positive": "一句中文 {number}"}}'
            case _:
                yield f'{{"query": "which {number}", "positive": "number {number} is told here"}}'


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_lines(tmp_path: Path) -> None:
    """Each bad line is refused, each fair one is there, and long texts are cut."""
    path = tmp_path / "pairs.jsonl"
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines())
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )
    examples, refused, megabytes, longest = json.loads(done.stdout)
    assert refused == 2 * LINES // 1_000 + LINES // 1_000 - 1
    assert examples == LINES - refused
    assert megabytes < MOST_MB
    assert longest <= 32_768
