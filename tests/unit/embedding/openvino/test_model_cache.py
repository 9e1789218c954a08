"""The cache of converted models: made once, whole or not at all, never trusted when damaged."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from small_models import save_bert, save_mapped_static

from indexer.embedding import Backend, Embedder, Precision, open_embedder
from indexer.embedding.openvino.model_cache import make_entry, read_entry
from indexer.errors import MissingExtra, ModelError, ModelMismatch, StorageFailed

TEXTS = ["the quick brown fox", "direction and magnitude"]

Opener = Callable[..., Embedder]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT."""
    return save_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module")
def converted(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds it, to be copied."""
    cache = tmp_path_factory.mktemp("cache")
    open_embedder(str(bert), cache=cache)
    return cache


@pytest.fixture
def open_bert(bert: Path, converted: Path, tmp_path: Path) -> Opener:
    """Opens it from this test's own cache."""
    shutil.copytree(converted / "models", tmp_path / "models")

    def opened(precision: Precision = Precision.F32, **more: object) -> Embedder:
        return open_embedder(str(bert), cache=tmp_path, precision=precision, **more)  # type: ignore[arg-type]

    return opened


def entry(cache: Path) -> Path:
    """The only converted model of a cache."""
    (folder,) = (cache / "models").iterdir()
    return folder


def test_a_start_from_the_cache_imports_no_torch(
    open_bert: Opener, bert: Path, tmp_path: Path
) -> None:
    """Another process opens the converted model with openvino and tokenizers alone."""
    open_bert()
    code = (
        "import sys; from pathlib import Path; from indexer.embedding import open_embedder;"
        f"open_embedder({str(bert)!r}, cache=Path({str(tmp_path)!r})).embed(['a']);"
        "heavy = ('torch', 'transformers', 'sentence_transformers', 'huggingface_hub', 'scipy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_a_cache_of_another_user_is_passed_over(
    bert: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As under su: the model is kept among the temporary files, and found there the next time."""
    with tempfile.TemporaryDirectory() as place:  # not tmp_path, which only its owner may enter
        theirs, ours = Path(place) / "theirs", Path(place) / "ours"
        theirs.mkdir(mode=0o700)
        ours.mkdir()
        ours.chmod(0o777)
        Path(place).chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", str(ours))
        model = readable_copy(bert, Path(place) / "model")
        os.seteuid(NOBODY)
        try:
            for converted in (1, 0):
                caplog.clear()
                with caplog.at_level(logging.INFO):
                    open_embedder(str(model), cache=theirs).embed(TEXTS)
                assert caplog.text.count("is not yours to write to") == 1
                assert caplog.text.count("converting a model") == converted
        finally:
            os.seteuid(0)
        (cache,) = ours.iterdir()
        assert (cache.stat().st_uid, cache.stat().st_mode & 0o077) == (NOBODY, 0)


def test_a_cache_below_no_folder_is_passed_over(
    bert: Path,
    converted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As with ``HOME=/dev/null``: a file where a folder should be costs a warning, and no more.

    What was converted before is found among the temporary files.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = tmp_path / f"bearing-cache-{os.geteuid()}"
    shutil.copytree(converted, ours)
    ours.chmod(0o700)
    with caplog.at_level(logging.INFO):
        vectors = open_embedder(str(bert), cache=Path("/dev/null/bearing")).embed(TEXTS).vectors
    assert len(vectors) == len(TEXTS)
    assert "converting a model" not in caplog.text
    assert "the model cache /dev/null/bearing is not yours to write to" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is somebody else's")
def test_a_temporary_cache_that_somebody_else_has_made_is_not_used(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name can be guessed: what is in it may be anything."""
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setattr("tempfile.tempdir", place)
        Path(place).chmod(0o777)
        (Path(place) / f"bearing-cache-{NOBODY}").mkdir(mode=0o777)
        model = readable_copy(bert, Path(place) / "model")
        theirs = Path(place) / "theirs"
        theirs.mkdir(mode=0o700)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(StorageFailed, match="BEARING_CACHE"):
                open_embedder(str(model), cache=theirs)
        finally:
            os.seteuid(0)


NOBODY = 65_534


def readable_copy(folder: Path, place: Path) -> Path:
    """A copy of a folder that everyone may read."""
    shutil.copytree(folder, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


WITHOUT_TORCH = """
    import sys

    class Without:
        def find_spec(self, name, path=None, target=None):
            if name in ("torch", "transformers"):
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, Without())
    sys.prefix = {prefix!r}
    from pathlib import Path
    from indexer.embedding import open_embedder
    from indexer.errors import ModelError

    try:
        print(open_embedder({model!r}, cache=Path({cache!r})).embed(["a"]).vectors.shape)
    except ModelError as error:
        print(error)
"""
"""Opens a model where there is no torch, in an installation that may have it converted."""


def open_without_torch(model: Path, prefix: Path, cache: Path) -> str:
    """What comes of it, in words."""
    places = {"model": str(model), "prefix": str(prefix), "cache": str(cache)}
    code = textwrap.dedent(WITHOUT_TORCH.format(**places))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_an_installation_may_bring_converted_models(
    bert: Path, converted: Path, tmp_path: Path
) -> None:
    """They need no torch, and nothing is converted into the cache."""
    shutil.copytree(converted / "models", tmp_path / "prefix" / "share" / "bearing" / "models")
    cache = tmp_path / "cache"
    assert open_without_torch(bert, tmp_path / "prefix", cache) == "(1, 32)\n"
    assert not (cache / "models").exists()


def test_without_torch_another_model_is_refused(bert: Path, tmp_path: Path) -> None:
    """The error says what has to be installed, and which model needs nothing."""
    said = open_without_torch(bert, tmp_path, tmp_path / "cache")
    assert "torch, which is not installed" in said
    assert "all-MiniLM-L6-v2" in said


def test_it_is_converted_once(open_bert: Opener, tmp_path: Path) -> None:
    """A second start finds the entry as it was."""
    first = open_bert().embed(TEXTS).vectors
    before = {path: path.stat().st_mtime_ns for path in entry(tmp_path).iterdir()}
    assert (open_bert().embed(TEXTS).vectors == first).all()
    assert {path: path.stat().st_mtime_ns for path in entry(tmp_path).iterdir()} == before


def damage(file: Path, how: str) -> None:
    """Have a file gone, cut in half, or changed in its middle."""
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(1, 1))


def test_a_damaged_entry_is_made_anew(
    open_bert: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens to a file of the entry, vectors stay right."""
    expected = open_bert().embed(TEXTS).vectors
    folder = entry(tmp_path)
    damage(folder / "graph.bin", "changed")
    with caplog.at_level(logging.WARNING):
        vectors = open_bert().embed(TEXTS).vectors
    # Not bit by bit: the new entry may run its graph the other way.
    assert (vectors * expected).sum(axis=1).min() > 0.99999
    assert "is damaged: converting again" in caplog.text
    assert read_entry(folder, tmp_path) is not None


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *product(("graph.bin", "graph.xml", "tokenizer.json"), ("changed", "cut", "gone")),
        *product(("manifest.json",), ("cut", "gone")),
    ],
)
def test_a_damaged_entry_is_none(converted: Path, tmp_path: Path, name: str, how: str) -> None:
    """Whichever file it is, there is nothing to be read, so that it is made anew."""
    shutil.copytree(converted / "models", tmp_path / "models")
    folder = entry(tmp_path)
    assert read_entry(folder, tmp_path) is not None
    damage(folder / name, how)
    assert read_entry(folder, tmp_path) is None


def test_converting_leaves_nothing_else_behind(open_bert: Opener, tmp_path: Path) -> None:
    """The cache holds one entry and no unfinished folder."""
    open_bert()
    assert sorted(path.name for path in entry(tmp_path).iterdir()) == [
        "graph.bin", "graph.xml", "manifest.json", "tokenizer.json",
    ]  # fmt: skip


def test_an_entry_that_another_made_meanwhile_is_replaced(tmp_path: Path) -> None:
    """Who finds no entry makes one; where there is one by the time it is whole, one is left."""
    folder = tmp_path / "models" / "entry"

    def fill(work: Path, by: str) -> Mapping[str, str]:
        (work / "graph.bin").write_text(by)
        return {"by": by}

    def fill_slowly(work: Path) -> Mapping[str, str]:
        make_entry(folder, partial(fill, by="another"))
        assert json.loads((folder / "manifest.json").read_text()) == {"by": "another"}
        return fill(work, "this")

    make_entry(folder, fill_slowly)
    assert json.loads((folder / "manifest.json").read_text()) == {"by": "this"}
    assert (folder / "graph.bin").read_text() == "this"
    assert list((tmp_path / "models").iterdir()) == [folder]


@pytest.mark.long
def test_processes_may_convert_at_once(bert: Path, tmp_path: Path) -> None:
    """Two processes that find no entry, this and another, both succeed, and one entry is left."""
    code = (
        "import sentence_transformers; from pathlib import Path;"
        "from indexer.embedding import open_embedder; print('ready', flush=True); input();"
        f"print(open_embedder({str(bert)!r}, cache=Path({str(tmp_path)!r})).runtime.backend)"
    )
    command, pipe = [sys.executable, "-W", "ignore", "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("\n")
        other.stdin.flush()
        assert open_embedder(str(bert), cache=tmp_path).runtime.backend == "openvino"
        assert other.communicate()[0] == "openvino\n"
    entry(tmp_path)


def test_what_will_not_convert_runs_on_torch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says so and why, the runtime says torch; asked for by name, it is refused."""
    folder = str(save_mapped_static(tmp_path / "static"))
    with caplog.at_level(logging.WARNING):
        embedder = open_embedder(folder, cache=tmp_path / "cache")
    assert embedder.runtime.backend == "torch"
    assert "runs on torch, which is slower" in caplog.text
    with pytest.raises(ModelError, match="no padded batches"):
        open_embedder(folder, cache=tmp_path / "cache", backend=Backend.OPENVINO)


def test_backends_agree_on_who_the_model_is(open_bert: Opener) -> None:
    """A collection that one backend filled opens with the other, and with no other model."""
    compiled, torch = open_bert(), open_bert(backend=Backend.TORCH)
    compiled.identity.require(torch.identity)
    torch.identity.require(compiled.identity)
    with pytest.raises(ModelMismatch):
        compiled.identity.require(open_bert(backend=Backend.HASHING).identity)


def test_a_cpu_without_bf16_computes_in_float32(
    open_bert: Opener, bert: Path, tmp_path: Path
) -> None:
    """Where there is neither AMX nor AVX512-BF16, auto is f32, never int8; bf16 is refused."""
    expected = open_bert().embed(TEXTS).vectors
    code = (
        "import sys, numpy; from pathlib import Path; from indexer.errors import ModelError;"
        "from indexer.embedding import Precision, open_embedder;"
        f"model, cache = {str(bert)!r}, Path({str(tmp_path)!r})\n"
        "opened = lambda chosen: open_embedder(model, cache=cache, precision=chosen)\n"
        "embedder = opened(Precision.AUTO)\n"
        f"vectors = embedder.embed({TEXTS!r}).vectors\n"
        f"numpy.save({str(tmp_path / 'vectors.npy')!r}, vectors)\n"
        "print(embedder.runtime.precision)\n"
        "try: opened(Precision.BF16)\n"
        "except ModelError as error: print(error)"
    )
    # The variable makes OpenVINO's CPU plugin behave as on such a processor.
    environment = {**os.environ, "OV_CPU_MAX_ISA": "AVX2"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    chosen, refusal = done.stdout.splitlines()
    assert chosen == "f32"
    assert "neither AMX nor AVX512-BF16" in refusal
    assert (np.load(tmp_path / "vectors.npy") * expected).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("fused", [True, False])
def test_either_way_to_run_a_graph_gives_its_vectors(
    open_bert: Opener, tmp_path: Path, fused: bool
) -> None:
    """Whether fused or not was the faster way when the model was converted, vectors agree."""
    expected = open_bert().embed(TEXTS).vectors
    manifest = entry(tmp_path) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "fused": fused}))
    assert (open_bert().embed(TEXTS).vectors * expected).sum(axis=1).min() > 0.9999


def test_int8_is_not_for_torch(open_bert: Opener) -> None:
    """The error names the backend that has it."""
    with pytest.raises(ModelError, match="int8 needs the openvino backend"):
        open_bert(Precision.INT8, backend=Backend.TORCH)


def test_int8_without_nncf_names_the_extra(open_bert: Opener) -> None:
    """Where NNCF is not installed, the error says what to install."""
    if importlib.util.find_spec("nncf"):
        pytest.skip("NNCF is installed here")
    with pytest.raises(MissingExtra, match=r"\[int8\]"):
        open_bert(Precision.INT8)


def test_int8_is_faithful_enough_to_rank(open_bert: Opener) -> None:
    """Vectors of the int8 graph stay near the float32 ones, and differ from them."""
    pytest.importorskip("nncf")
    exact, coarse = open_bert().embed(TEXTS).vectors, open_bert(Precision.INT8).embed(TEXTS).vectors
    assert 0.9 < (exact * coarse).sum(axis=1).min() < 1 - 1e-6
