"""Every command and program of README.md and docs/, run as it stands there.

The shell blocks of a page are a story: they run one after another in one folder, which holds what
the pages speak of: a collection, files to index, and two judged sets.
Programs run each in a folder of their own. What speaks to a service finds one, with the default
model, and so does who follows README.md or the page on the library; the commands and programs of
other pages have a model that needs no files, which they cannot tell apart. What cannot be run here
says so in its page (see pages.py), and is skipped by its reason.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from judged import write_judged_set, write_lines
from pages import (
    DATA,
    PAGES,
    PROGRAMS,
    REASONS,
    ROOT,
    SHELLS,
    TYPED,
    Block,
    all_blocks,
    blocks,
    marks,
)
from pdf_files import make_pdf, page_content
from serving import running_service
from shown import COLUMNS, cleaned, layout, steps
from warm import warm_python

from indexer.documents import Document
from indexer.embedding.cross_encoders.reranker import OVERLAP
from indexer.readers.standard_library import read_standard_library

SECONDS = 120
BY_MEANING = ("README.md", "docs/library.md")
"""Pages whose commands have the default model."""
QUICK = "hashing-64"
"""The model of the others; an empty string is the default one."""
SHOWN_ADDRESSES = ("localhost:8000", "127.0.0.1:8000")
SHOWN_RERANKER = "ms-marco-MiniLM-L6-v2"
"""A model of the hub; the reranker that needs no model stands for it."""

HELD_ELSEWHERE = {
    "StorageContext": "tests/contract/test_llamaindex.py",
    "from haystack import Document, Pipeline": "tests/contract/test_haystack.py",
    "from langchain_openai import": "tests/api/test_openai.py",
    "from mcp import": "tests/api/test_mcp.py",
    "store.as_retriever(": "tests/contract/test_langchain.py",
    "DeterministicFakeEmbedding(": "tests/contract/test_langchain.py",
}
"""Words of programs whose imports take seconds, and where their like is run: these are long."""

LONG_PAGES = tuple(
    f"examples/{one}/README.md"
    for one in ("assistant", "duplicates", "pdfs", "recommendation", "two-models")
)
"""Pages whose programs test_examples.py runs."""

JAVASCRIPT = ["node", "--input-type=module", "-e"]


def name(page: Path) -> str:
    """A page as its cases are called."""
    return str(page.relative_to(ROOT))


def model_of(page: str) -> str:
    """The model of its commands and programs; the default one is called by no name."""
    return "" if page in BY_MEANING else QUICK


def parameters(found: list[Block]) -> list[object]:
    """A case for each block; one that is not run is skipped by its reason."""
    return [
        pytest.param(
            block,
            id=block.place,
            marks=[pytest.mark.skip(reason=f"{block.place} is not run: it {block.reason}")]
            if block.reason
            else [],
        )
        for block in found
    ]


def programs() -> list[object]:
    """A case for each program; some are long, and have only to be programs otherwise."""
    found = all_blocks(*PROGRAMS)
    longer = [one for one in found if any(word in one.code for word in HELD_ELSEWHERE)]
    marks = [pytest.mark.long]
    return [
        *parameters([one for one in found if one not in longer]),
        *(pytest.param(one, id=one.place, marks=marks) for one in longer),
    ]


def shell_pages() -> list[object]:
    """A case for each page that has a command to run."""
    return [
        pytest.param(
            page, id=name(page), marks=[pytest.mark.long] if name(page) in LONG_PAGES else []
        )
        for page in PAGES
        if any(block.language in SHELLS and not block.reason for block in blocks(page))
    ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages' commands name."""
    folder = tmp_path_factory.mktemp("scene")
    write_shims(folder / "bin")
    write_files(folder)
    for judged in ("scifact", "cranfield"):
        write_judged_set(folder / judged, queries=24)
    (folder / "modules").mkdir()
    for module in (threading, filecmp):
        shutil.copy(module.__file__, folder / "modules")
    read = [each.item for each in read_standard_library(folder / "modules")]
    records = (
        {"id": one.id, "title": one.title, "text": one.text, **one.metadata}
        for one in read
        if isinstance(one, Document)
    )
    write_lines(folder / "library.jsonl", *records)
    (folder / "examples").symlink_to(ROOT / "examples")
    run(["bearing", "index", "library.jsonl"], folder, "no service", model="")
    run(["bearing", "index", "library.jsonl", "--data", "quick"], folder, "no service")
    return folder


def write_shims(folder: Path) -> None:
    """Programs of the pages' names that are those of the tests, and curl failing as it should."""
    folder.mkdir()
    forked = shlex.join(warm_python())
    python = f'case "$1" in -m) exec "{sys.executable}" "$@";; *) exec {forked} "$@";; esac'
    programs = {"bearing": f'exec {forked} -m app.cli "$@"', "python": python, "python3": python}
    for program, script in programs.items():
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")


def write_files(folder: Path) -> None:
    """Notes and papers to index."""
    (folder / "papers").mkdir()
    for subject in ("The lift of a wing", "The drag of a body"):
        pdf = make_pdf(page_content(f"{subject} grows with its speed."), info=f"/Title ({subject})")
        (folder / "papers" / f"{subject}.pdf").write_bytes(pdf)
    (folder / "notes").mkdir()
    (folder / "notes" / "whale.md").write_text("# A whale\n\nA captain hunts a white whale.\n")
    (folder / "notes" / "time.txt").write_text("An inventor travels to the future.\n")
    papers = ({"id": f"p{year}", "text": f"paper of {year}", "year": year} for year in (2020, 2021))
    write_lines(folder / "papers.jsonl", *papers)


@pytest.fixture(scope="module")
def address(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service answers, as ``HOST:PORT``: with the scene's collection, and one of poems."""
    data = shutil.copytree(scene / "data", tmp_path_factory.mktemp("served") / "data")
    with running_service(data, {}) as url:
        poems = f"{url}/collections/poems"
        lines = (scene / "papers.jsonl").read_bytes()
        with httpx.Client(trust_env=False, timeout=SECONDS) as http:
            http.put(poems).raise_for_status()
            http.post(f"{poems}/documents/import", content=lines).raise_for_status()
        yield url.removeprefix("http://")


def run(
    words: list[str], folder: Path, address: str, model: str = QUICK
) -> subprocess.CompletedProcess[str]:
    """What a command of the pages does in a folder; it must end well."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    shims = next(place / "bin" for place in (folder, *folder.parents) if (place / "bin").is_dir())
    for shown in SHOWN_ADDRESSES:
        words = [word.replace(shown, address) for word in words]
    words = [word.replace(SHOWN_RERANKER, OVERLAP) for word in words]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited
        | {"CURL_HOME": str(shims), "PATH": f"{shims}{os.pathsep}{os.environ['PATH']}"}
        | {"no_proxy": "*", "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS)}
        | ({"BEARING_MODEL": model} if model else {}),
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{words[-1]}\n{done.stdout}{done.stderr}"
    return done


@pytest.mark.parametrize("page", shell_pages())
def test_the_commands_of_a_page_succeed(
    scene: Path, address: str, tmp_path: Path, page: Path
) -> None:
    """Each command ends with 0, in the order in which the page shows them.

    What it is shown to print has the keys, labels and lines of what it prints.
    """
    folder = shutil.copytree(scene, tmp_path / "scene", symlinks=True)
    model = model_of(name(page))
    if model:
        shutil.rmtree(folder / "data")
        (folder / "quick").rename(folder / "data")
    told = [block for block in blocks(page) if block.language in SHELLS and not block.reason]
    for block in told:
        assert block.commands.strip(), f"{block.place} shows no command"
        if block.language == "console":
            for step in steps(block.code):
                printed = cleaned(run_shell(step.command, folder, address, model))
                assert layout(printed) == layout(step.output), f"{block.place}\n{printed}"
        else:
            run_shell(block.commands, folder, address, model)


def run_shell(commands: str, folder: Path, address: str, model: str) -> str:
    """What commands print in a shell that stops at the first that fails."""
    shell = ["bash", "-euo", "pipefail", "-c", commands.replace(".venv/bin/", "")]
    return run(shell, folder, address, model).stdout


def test_a_key_is_shown_as_it_is_printed(scene: Path) -> None:
    """The page on security shows both lines, shortened: no reader is to use that key."""
    printed = run(["bearing", "key", "--name", "shop", "--role", "search"], scene, "no service")
    (shown,) = (one.code for one in all_blocks("text") if one.code.startswith("key "))
    ends = re.compile(r"(?<=bearing_).*|(?<=sha256:).*")  # which differ from key to key
    assert ends.sub("", printed.stdout) == ends.sub("", shown)


def test_an_output_of_another_form_is_told_apart() -> None:
    """Figures and texts may differ; keys, labels and kinds of lines may not."""
    assert layout('{"a": 1, "b": [{"c": "x"}]}') == layout('{"a": 2.5, "b": [{"c": "y"}]}')
    assert layout('{"a": 1}') != layout('{"a": 1, "b": 2}')
    assert layout('{"a": [{"b": 1}]}') != layout('{"a": [{"c": 1}]}')
    assert layout(" ndcg@10  0.1\n map  0.2\n") == layout(" ndcg@10  0.3\n map  0.4\n")
    assert layout(" ndcg@10  0.1\n map  0.2\n") != layout(" ndcg@10  0.1\n mrr  0.2\n")
    assert layout("1 ███ 0.5 title\n") != layout("1 0.5 title\n")


@pytest.mark.parametrize("block", programs())
def test_a_program_ends_without_an_error(
    scene: Path, address: str, tmp_path: Path, block: Block
) -> None:
    """Each program in Python and JavaScript runs, warnings being errors in Python."""
    python = [*warm_python(), "-W", "error", "-c"]
    interpreter = python if block.language == "python" else JAVASCRIPT
    if shutil.which(interpreter[0]) is None:
        pytest.skip(f"{interpreter[0]} is not installed")
    shutil.copytree(scene / "bin", tmp_path / "bin")
    run([*interpreter, block.code], tmp_path, address, model_of(block.page))


def test_what_only_long_tests_run_is_a_program_whose_like_is_tested() -> None:
    """In the file that is named, where the same words stand."""
    for word, place in HELD_ELSEWHERE.items():
        (block,) = (one for one in all_blocks("python") if word in one.code)
        compile(block.code, block.place, "exec")
        assert word in (ROOT / place).read_text()


@pytest.mark.parametrize(
    "block", parameters([block for block in all_blocks(*SHELLS) if block.reason])
)
def test_a_command_that_is_not_run_says_why(block: Block) -> None:
    """Such a block is here to be seen among the skipped; see the reasons there."""
    raise AssertionError(f"{block.place} was to be skipped")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_only_known_reasons_excuse_a_block(page: Path) -> None:
    """Each excuse stands right before a block, and is one of REASONS."""
    given = [block.reason for block in blocks(page) if block.reason is not None]
    assert set(given) <= REASONS
    assert len(given) == marks(page), "an excuse stands before no block"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block is a shell's, a program, or data; none escapes by having no language."""
    assert {block.language for block in blocks(page)} <= {*SHELLS, *PROGRAMS, *TYPED, *DATA}


@pytest.mark.parametrize("block", parameters(all_blocks("json")))
def test_json_that_is_shown_is_json(block: Block) -> None:
    """A reader may copy it."""
    json.loads(block.code)
