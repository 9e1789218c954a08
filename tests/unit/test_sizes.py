"""How sizes are told, on the command line and on the page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from indexer.sizes import readable_bytes

ROOT = Path(__file__).parents[2]
TOLD = {
    0: "0 B",
    1: "1 B",
    999: "999 B",
    1000: "1.0 kB",
    1024: "1.0 kB",
    999_949: "999.9 kB",
    999_950: "1.0 MB",
    7_516_193: "7.5 MB",
    268_435_456: "268.4 MB",
    3_000_000_000: "3.0 GB",
    5_000_000_000_000_000: "5000.0 TB",
}


@pytest.mark.parametrize(("count", "told"), TOLD.items())
def test_a_unit_is_a_thousand_of_the_one_before(count: int, told: str) -> None:
    """Settings are in MB of 1,000,000 bytes, and so is what is shown; no number reaches 1,000."""
    assert readable_bytes(count) == told


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_tells_sizes_as_the_command_line_does() -> None:
    """The page's own rule gives the same words."""
    module = (ROOT / "app" / "web" / "dom.js").as_uri()
    program = (
        f'import {{ size }} from "{module}";'
        f"console.log(JSON.stringify({json.dumps(list(TOLD))}.map(size)));"
    )
    command = ["node", "--input-type=module", "-e", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == list(TOLD.values())
