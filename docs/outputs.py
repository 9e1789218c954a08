"""Write what commands print into the pages anew: ``python docs/outputs.py SETS [DATA [PAGE...]]``.

Each ``console`` block of README.md and docs/ is run, in the order of its page, and what it prints
takes the place of what was shown. They speak of the demonstration, that is the documentation of the
Python that runs this, and of two judged sets: SETS is a folder with ``scifact`` and ``cranfield``
in BEIR's layout. DATA is where the demonstration is kept, ``data`` beside this folder if not given;
what is indexed there already is not embedded again, and nothing else is written there. Without a
PAGE, all that have such a block are written.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
JUDGED = ("cranfield", "scifact")
SHOWN_ADDRESS = "localhost:8000"
BLOCK_THAT_WRITES = "<<'END'"
"""What marks a block of a shell that makes the files of those behind it."""


def main(sets: Path, data: Path = ROOT / "data", *chosen: Path) -> None:
    """Serve the demonstration, run the pages' commands, and write what they print."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "docs")]
    from pages import PAGES, blocks
    from screenshots import INDEXING_SECONDS, wait_for_documents
    from serving import running_service

    wanted = [page.resolve() for page in chosen] or PAGES
    pages = [page for page in wanted if any(one.language == "console" for one in blocks(page))]
    with running_service(data, {}, "demo", INDEXING_SECONDS) as url:
        wait_for_documents(url)
        for _ in range(2):  # the first search measures what later ones only look up
            httpx.post(f"{url}/search", json={"query": "a timer"}, timeout=300, trust_env=False)
        for page in pages:
            with scene(sets, data) as folder:
                write_outputs(page, folder, url.removeprefix("http://"))
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


@contextmanager
def scene(sets: Path, data: Path) -> Iterator[Path]:
    """A folder with what the commands name: a copy of the demonstration, and the judged sets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        for program, module in {"bearing": "-m app.cli ", "python3": ""}.items():
            shim = folder / "bin" / program
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
            shim.chmod(0o755)
        for judged in JUDGED:
            (folder / judged).symlink_to((sets / judged).resolve())
        backup = str(folder / "demonstration.tar")
        run(f"bearing backup {backup} --data '{data.resolve()}'", folder, "")
        run(f"bearing restore {backup}", folder, "")
        yield folder


def write_outputs(page: Path, folder: Path, address: str) -> None:
    """Run the console blocks of a page, and those that make files, and write what they print."""
    from pages import blocks
    from shown import Step, cleaned, console, steps

    text = page.read_text()
    for block in blocks(page):
        if block.language == "sh" and BLOCK_THAT_WRITES in block.code and not block.reason:
            run(block.code, folder, address)
        if block.language == "console":
            told = [
                Step(step.command, cleaned(run(step.command, folder, address)))
                for step in steps(block.code)
            ]
            text = text.replace(f"```console\n{block.code}```", f"```console\n{console(told)}```")
    page.write_text(text)


def run(command: str, folder: Path, address: str) -> str:
    """What a command of the pages prints on a terminal of theirs."""
    from shown import COLUMNS

    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    shown = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "no_proxy": "*"}
    told = command.replace(SHOWN_ADDRESS, address).replace(".venv/bin/", "")
    done = subprocess.run(  # noqa: S603 - the commands are the pages' own
        ["bash", "-euo", "pipefail", "-c", told],  # noqa: S607 - as their readers find it
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=inherited | shown | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
