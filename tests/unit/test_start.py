"""A start of the service, which imports no more than it needs."""

from __future__ import annotations

import subprocess
import sys


def test_a_start_imports_no_commands_of_the_library() -> None:
    """The service's own commands do without what indexes, trains, measures and prints tables."""
    code = (
        "import sys; sys.argv = ['bearing', 'key', '--json']; import app.cli\n"
        "try: app.cli.main()\n"
        "except SystemExit: pass\n"
        "loaded = {'indexer.cli.app', 'indexer.learning', 'tantivy', 'rich.table', 'limits'}\n"
        "print(*sorted(loaded & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == [""]
