"""Trained models on the page: their figures, and the one that serves."""

from __future__ import annotations

from pathlib import Path

import httpx
from browsing import Page
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from serving import running_service
from vocabularies import MODEL, examples, open_vocabularies, train_adapter

from indexer.evaluation.calibration_run import calibrate_collection
from indexer.evaluation.dataset import Dataset
from indexer.learning.evidence import JudgedQueries
from indexer.queries import Mode


def test_a_model_is_promoted_and_taken_back(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Its figures are shown; the gate's refusal is told in the dialog, and what passes serves.

    Calibrations that were learned anew are told, and that those of before are back.
    """
    with open_vocabularies(tmp_path) as library:
        train_adapter(library, "good", examples())
        train_adapter(library, "ten", examples(10, seed=2))
        docs, judged = library.open("docs"), JudgedQueries.of(examples())
        dataset = Dataset("made up", Path(), judged.queries, judged.qrels)
        calibrate_collection(docs, library.embedder(docs), dataset, mode=Mode.HYBRID)
    with running_service(tmp_path, {"MODEL": MODEL}) as url:
        page = Page(browser, url)
        page.emulate()
        page.open("/?view=collections&c=docs")
        figures = httpx.get(f"{url}/models", trust_env=False).json()["models"][0]["figures"]
        shown = [one for one in figures if one["split"] in ("queries", "documents")]
        row = "[data-model=good] .measured tbody tr"
        assert page.contents(f"{row} th") == [
            f"{one['measure']} by {one['split']}, {one['mode']}" for one in shown
        ]
        changes = [f"{one['after'] - one['before']:+.3f}" for one in shown]
        assert page.contents(f"{row} .change") == [one.replace("-", "\u2212") for one in changes]
        assert page.violations() == []
        page.one("[data-model=ten] .promote").click()
        page.one("dialog[open] .primary").click()
        page.until(lambda: "too few" in page.text("dialog[open] [role=alert]"))
        page.press(Keys.ESCAPE)
        page.until(lambda: not page.all("dialog[open]"))
        page.one("[data-model=good] .promote").click()
        page.one("dialog[open] .primary").click()
        page.until(lambda: "Calibrated for it: hybrid" in page.text("dialog[open]"))
        assert "good serves docs" in page.text("dialog[open]")
        page.one("dialog[open] .primary").click()
        page.until(lambda: "serves docs" in page.text("[data-model=good]"))
        told = httpx.get(f"{url}/collections/docs", trust_env=False).json()
        assert told["index"]["adapter"]["name"] == "good"
        page.until(lambda: "good" in page.text("[data-name=docs]"))
        page.one("[data-name=docs] .rollback").click()
        page.one("dialog[open] .primary").click()
        page.until(lambda: "Calibrated for it: hybrid" in page.text("dialog[open]"))
        assert "docs is served as before" in page.text("dialog[open]")
        page.one("dialog[open] .primary").click()
        page.until(lambda: not page.all("[data-name=docs] .rollback"))
        told = httpx.get(f"{url}/collections/docs", trust_env=False).json()
        assert "adapter" not in told["index"]
        assert page.complaints() == []
