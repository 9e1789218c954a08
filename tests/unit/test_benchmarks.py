"""The benchmark of searching says what it measures; no figure of time is judged here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.peers import NAMES
from benchmarks.plot import PANELS, draw
from benchmarks.search import RATIOS, parse_arguments
from benchmarks.vectors import FILTER_QUERIES, SHARES, K, bound, fit_mixture, make_tree, prepare

ROOT = Path(__file__).parents[2]
FIGURES = {
    "recall",
    "query_ms_p50",
    "query_ms_p99",
    "batched_qps",
    "bytes_per_vector",
    "build_seconds",
    "open_seconds",
    "filters",
}


def unit_rows(rows: int, dimension: int) -> np.ndarray:
    """(rows, dimension) drawn evenly over all directions."""
    vectors = np.random.default_rng(3).standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the command prints with --json, of few rows."""
    folder = tmp_path_factory.mktemp("benchmark")
    np.save(folder / "own.npy", unit_rows(2_300, 16))
    command = [sys.executable, "-m", "benchmarks.search", "--json", "--quick", "--rows", "2000"]
    command += ["--vectors", str(folder / "own.npy"), "--folder", str(folder), "--seconds", "0.2"]
    done = subprocess.run(
        [*command, "--peers", "faiss-flat", "faiss-scan"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_json_has_every_figure(result: dict) -> None:
    """The object holds Bearing's figures at its top, and the same of each peer."""
    own = {"rows", "kind", "overhead_ratio", "while_writing_p99_ratio", "peers", "left_out"}
    assert own | FIGURES <= result.keys()
    assert set(result["peers"]) == {"faiss-flat", "faiss-scan"}
    for figures in result["peers"].values():
        assert figures.keys() >= FIGURES
    assert result["rows"] == 2_000
    assert result["left_out"] == {}


def test_exact_search_has_all_recall(result: dict) -> None:
    """Bearing compares so few rows one by one, as faiss-flat does: both find all, filtered too."""
    assert result["kind"] == "exact"
    for figures in (result, result["peers"]["faiss-flat"]):
        assert figures["recall"] == 1.0
        assert len(figures["filters"]) == len(SHARES)
        assert all(own["recall"] == 1.0 for own in figures["filters"].values())


def test_another_build_is_a_peer_and_one_not_installed_is_named(tmp_path: Path) -> None:
    """A checkout is measured by its own modules; who cannot be loaded is left out with a reason."""
    build = tmp_path / "build"
    build.mkdir()
    for name in ("indexer", "app"):
        (build / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "benchmarks", build / "benchmarks")
    own = build / "benchmarks" / "peers" / "bearing.py"
    own.write_text(own.read_text().replace("return str(self.", 'return "its " + str(self.'))
    (tmp_path / "usearch").mkdir()
    (tmp_path / "usearch" / "__init__.py").write_text("raise ImportError('not here')")
    command = [sys.executable, "-m", "benchmarks.search", "--json", "--quick", "--rows", "500"]
    command += [
        "--queries",
        "20",
        "--seconds",
        "0.2",
        "--folder",
        str(tmp_path),
        "--peers",
        "usearch",
    ]
    command += ["--against", str(build)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    result = json.loads(done.stdout)
    assert "not here" in result["left_out"]["usearch"]
    assert (result["kind"], result["peers"]["against"]["kind"]) == ("exact", "its exact")
    assert result.keys() >= RATIOS.keys()
    other = result["peers"]["against"]["query_ms_p50"]
    assert result["ratio_query_p50"] == result["query_ms_p50"] / other
    assert result["recall"] == 1.0


def test_arguments_choose_rows_vectors_and_peers() -> None:
    """Sizes, vectors of one's own and peers are arguments; all peers are the default."""
    given = parse_arguments(["--rows", "7", "--vectors", "a.npy", "--peers", "chroma"])
    assert (given.rows, given.vectors, given.peers) == (7, Path("a.npy"), ["chroma"])
    assert parse_arguments([]).peers == NAMES


def test_queries_are_not_stored_and_truth_is_exact(tmp_path: Path) -> None:
    """No query is among the stored vectors; recall judges by the K nearest of NumPy's search."""
    np.save(tmp_path / "own.npy", 3 * unit_rows(1_200, 8))
    data = prepare(tmp_path, tmp_path / "own.npy", 1_000, 200)
    base, queries = np.asarray(data.base), data.queries
    assert base.shape == (1_000, 8)
    assert not (np.abs(queries @ base.T - 1) < 1e-6).any()
    for share in (None, *SHARES):
        kept = np.flatnonzero(data.places < bound(1_000, share))
        chosen = slice(0, FILTER_QUERIES)
        found = kept[np.argsort(-(queries[chosen] @ base[kept].T), axis=1)[:, :K]]
        assert data.recall(found, chosen, share) == 1.0
        if len(kept) > K:
            found[:, 0] = -1
            assert data.recall(found, chosen, share) == pytest.approx(0.9)


@pytest.mark.parametrize("fitted", [False, True])
def test_drawn_vectors_lie_in_clusters(fitted: bool) -> None:
    """Vectors of either mixture are finite, repeat with the seed, and have near neighbours."""
    seeded = np.random.default_rng
    draw = make_tree(32, seeded(1))
    if fitted:
        draw = fit_mixture(draw(seeded(2), 4_000), seeded(3))
    vectors = draw(seeded(5), 3_000)
    assert np.array_equal(vectors, draw(seeded(5), 3_000))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(vectors[:200] @ vectors.T, axis=1)
    assert np.isfinite(scores).all()
    assert scores[:, -K - 1].mean() > scores[:, 1_500].mean() + 0.3


def test_a_plot_shows_each_figure_of_each_result(result: dict) -> None:
    """A point for every result in each panel, by rows; what was not measured is left out."""
    larger = {**result, "rows": 1_000_000, "recall": 0.95, "build_seconds": None}
    root = ElementTree.fromstring(draw([larger, result]))
    panels = root.findall("{*}g")
    assert len(panels) == len(PANELS)
    counts = [len(panel.findall("{*}circle")) for panel in panels]
    assert counts == [2, 1, 2, 2]
    few, many = panels[3].findall("{*}circle")
    assert float(few.get("cx")) < float(many.get("cx"))
    assert float(few.get("cy")) < float(many.get("cy"))  # recall is less, so further down
    assert {"2k", "1M", "0.95"} <= {text.text for text in panels[3].findall("{*}text")}
