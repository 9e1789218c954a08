"""The page as its readers meet it: a real process, a real browser, and the API as the oracle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from browsing import Page, reading
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from serving import running_service
from typer.testing import CliRunner

from indexer.cli.app import commands

LONG = " ".join(f"\N{COMPASS} Leg {i} keeps a course of {i * 7 % 360} degrees." for i in range(400))
HOSTILE = "<img src=x onerror=alert(1)> & <b>bold</b>"
DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "json",
        "title": "Decode JSON",
        "text": "A decoder parses one JSON document.\n\nParsing stops at its end.",
        "metadata": {"kind": "class", "year": 2001, "tags": ["text", "web"]},
    },
    {
        "id": "csv",
        "title": "Read rows",
        "text": "Reads comma separated rows from a file.",
        "metadata": {"kind": "function", "year": 1999},
    },
    {
        "id": "heap",
        "title": "Heap queue",
        "text": "The smallest item comes first.",
        "metadata": {"kind": "function", "year": 2010},
    },
    {"id": "log", "title": "The log of a long voyage", "text": LONG, "metadata": {"kind": "text"}},
    {"id": "hostile", "title": HOSTILE, "text": f"{HOSTILE} markup", "metadata": {"kind": HOSTILE}},
    {"id": "plain", "text": "A document without title or metadata."},
    {"id": "hebrew", "text": "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "metadata": {}},
]
TEXTS = ["a decoder of JSON", "JSON decoding", "the sea is calm", "calm sea"]
HOUR = 3_600
HURRY = "const later = setTimeout; window.setTimeout = (act, ms) => later(act, ms / 10);"
"""What waits in the page waits a tenth of its time."""
KEY = "a-key-for-the-page"
LIGHT = pytest.param("light", marks=pytest.mark.long)
"""The colours that are looked at in each view by the long tests, and here and there by others."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose default collection holds DOCUMENTS; one is empty, one kept in step."""
    data = tmp_path_factory.mktemp("data")
    keep_in_step(data, tmp_path_factory.mktemp("notes"))
    with running_service(data, {"MODEL": "hashing"}) as address:
        fill(address)
        httpx.put(f"{address}/collections/bare", json={"model": "hashing"}).raise_for_status()
        yield address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with DOCUMENTS and two keys: Ann's may search, the owner's may do all."""
    keys = f"ann:search:{KEY}-of-ann,owner:admin:{KEY}"
    settings = {"MODEL": "hashing", "API_KEYS": keys}
    with running_service(tmp_path_factory.mktemp("guarded"), settings) as address:
        fill(address, {"Authorization": f"Bearer {KEY}"})
        yield address


def keep_in_step(data: Path, folder: Path) -> None:
    """Index a file of a folder into the collection ``kept``, as a source."""
    (folder / "tide.txt").write_text("The tide follows the moon.")
    words = ["index", str(folder), "--sync", "--source", "notes", "--collection", "kept"]
    settings = {"BEARING_DATA": str(data), "BEARING_MODEL": "hashing"}
    assert CliRunner().invoke(commands(), words, env=settings).exit_code == 0


def fill(address: str, headers: dict[str, str] | None = None) -> None:
    """Store DOCUMENTS."""
    body = {"documents": DOCUMENTS}
    httpx.put(
        f"{address}/documents", json=body, headers=headers, timeout=HOUR, trust_env=False
    ).raise_for_status()


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Iterator[Page]:
    """The page, which must have asked no one else and complained of nothing in the end."""
    with reading(browser, url) as page:
        yield page


def ask(url: str, **body: object) -> dict[str, Any]:
    """What the API answers to a search."""
    answer = httpx.post(f"{url}/search", json=body, trust_env=False).raise_for_status().json()
    assert isinstance(answer, dict)
    return answer


def shown_ids(page: Page) -> list[str | None]:
    """The ids of the hits on the page, in order."""
    return page.values(".hit", "data-id")


class TestHits:
    """What a search shows."""

    def test_shows_what_the_api_answers(self, page: Page, url: str) -> None:
        """The hits are the API's, in its order, with its scores to three decimals."""
        page.open()
        page.write("#query", "parse a document")
        page.one("#search .primary").click()
        page.settle()
        hits = ask(url, query="parse a document")["hits"]
        assert shown_ids(page) == [hit["id"] for hit in hits]
        shown = [float(text.replace("\u2212", "-")) for text in page.contents(".hit .number")]
        assert shown == pytest.approx([hit["score"] for hit in hits], abs=5e-4)
        assert [float(each.get_property("value")) for each in page.all(".hit .number")] == [
            pytest.approx(hit["score"]) for hit in hits
        ]
        assert page.contents(".hit .title") == [hit["title"] or hit["id"] for hit in hits]

    def test_says_how_long_it_took(self, page: Page) -> None:
        """The summary counts the hits and gives the time and the mode."""
        page.open()
        page.search("rows")
        assert re.fullmatch(
            rf"{len(DOCUMENTS)} documents in [\d.,]+ ms · hybrid, exact", page.text("#summary")
        )

    def test_marks_words_of_the_query(self, page: Page) -> None:
        """Words that share their stem with one of the query are marked, common words are not."""
        page.open()
        page.search("how to parse a JSON document")
        assert page.contents("[data-id=json] .text mark") == ["parses", "JSON document", "Parsing"]
        assert page.contents("[data-id=json] .title mark") == ["JSON"]

    def test_shows_the_passage_where_it_stands(self, page: Page, url: str) -> None:
        """A passage is found in its text by code points, so emoji before it do not shift it."""
        page.open()
        page.search("Leg 320 keeps a course of 80 degrees")
        hit = next(
            h
            for h in ask(url, query="Leg 320 keeps a course of 80 degrees")["hits"]
            if h["id"] == "log"
        )
        assert hit["passage"]["start"] > 0
        assert page.contents("[data-id=log] .passage") == [hit["passage"]["text"]]
        page.one("[data-id=log] .more").click()
        assert page.contents("[data-id=log] .text") == [LONG]
        assert page.contents("[data-id=log] .passage") == [hit["passage"]["text"]]

    def test_bars_are_as_long_as_scores(self, page: Page, url: str) -> None:
        """Bars share one axis, which runs from -1 to 1 where a score is negative."""
        page.open("/?q=calm sea&mode=dense")
        scores = [hit["score"] for hit in ask(url, query="calm sea", mode="dense")["hits"]]
        assert min(scores) < 0 < max(scores)
        for bar, score in zip(page.all(".hit .bar"), scores, strict=True):
            outer, inner = (
                page.run("return arguments[0].getBoundingClientRect().toJSON()", each)
                for each in (bar, bar.find_element("css selector", "span"))
            )
            middle = outer["left"] + outer["width"] / 2
            end = inner["left"] if score < 0 else inner["right"]
            assert end - middle == pytest.approx(score * outer["width"] / 2, abs=1)

    def test_says_what_the_model_does_not_know(self, page: Page, url: str) -> None:
        """Of a passage, of a query, and how many documents it is of."""
        there = f"{url}/collections/silent"
        given = [{"id": "dashes", "text": "---"}, {"id": "words", "text": "some words"}]
        httpx.put(there, json={"model": "hashing"}).raise_for_status()
        httpx.put(f"{there}/documents", json={"documents": given}).raise_for_status()
        try:
            page.open("/?c=silent")
            page.search("words")
            assert shown_ids(page) == ["words", "dashes"]
            assert "knows no word" in page.contents("[data-id=dashes] article")[0]
            assert "knows no word" not in page.contents("[data-id=words] article")[0]
            assert "knows no word" not in page.text("#summary")
            page.search("?!")
            assert "knows no word of the query" in page.text("#summary")
            page.open("/?view=collections")
            assert "1 unknown" in page.text("[data-name=silent]")
        finally:
            httpx.delete(there).raise_for_status()

    def test_at_most_three_values_tell_a_hit_from_others(self, page: Page, url: str) -> None:
        """Fields of one value, or one for each document, are left out; rare ones are last."""
        place = f"{url}/collections/told"
        documents = [
            {
                "id": f"d{n}",
                "text": f"the number {n}",
                "metadata": {"all": "x", "own": f"v{n}", "kind": f"k{n % 3}", "part": f"p{n % 2}"}
                | {"group": f"g{n % 4}", "size": n % 5}
                | ({"rare": "r"} if n == 0 else {}),
            }
            for n in range(40)
        ]
        httpx.put(place, json={"model": "hashing"}).raise_for_status()
        httpx.put(f"{place}/documents", json={"documents": documents}).raise_for_status()
        page.open("/?c=told&q=number&k=40")
        assert page.contents("[data-id=d7] .facts .field") == ["part", "kind", "group"]
        assert page.contents("[data-id=d7] .facts .value") == ["p1", "k1", "g3"]
        page.one("#filter-toggle").click()
        page.settle()
        groups = page.values(".facet", "data-field")
        assert groups == ["part", "kind", "group", "size", "own", "rare"]
        page.write("[data-field=own] [type=search]", "v3")
        values = '[data-field="own"] button'
        assert page.contents(f"{values} > span:first-child") == [
            "v3",
            *(f"v3{n}" for n in range(5)),
        ]
        assert "11 values found" in page.text("[data-field=own]")
        page.one(f"{values}[data-value=v3]").click()
        page.settle()
        assert shown_ids(page) == ["d3"]
        assert page.text("#filter-toggle") == "Filter (1)"
        httpx.delete(place).raise_for_status()

    def test_programs_keep_their_lines(self, page: Page) -> None:
        """What reads like code is told from prose."""
        page.open()
        texts = {
            "def double(x):\n    return 2 * x\n\n\nprint(double(2))": True,
            "fn main() {\n    let x = 1;\n}": True,
            "SELECT name\nFROM users\nWHERE id = 1;": False,
            "- a list\n- of words (and more)\n\n  and a paragraph": False,
            "A long line of prose, which ends\nin the next line: it is no code.": False,
            "x = 1": False,
        }
        script = "return import('/code.js').then((code) => arguments[0].map(code.isCode))"
        assert dict(zip(texts, page.run(script, list(texts)), strict=True)) == texts

    def test_markup_is_text(self, page: Page) -> None:
        """Markup in a title, a text or metadata is shown as it is written, and does nothing."""
        page.open()
        page.search("markup")
        assert page.contents("[data-id=hostile] .title") == [HOSTILE]
        assert HOSTILE in page.contents("[data-id=hostile] .text")[0]
        assert page.contents("[data-id=hostile] .facts .value") == [HOSTILE]
        assert page.all("main img, main b:not(.summary b)") == []

    def test_more_like_a_hit(self, page: Page, url: str) -> None:
        """A hit leads to its neighbours, by its id."""
        page.open("/?q=rows&k=3")
        page.one(f"[data-id={shown_ids(page)[0]}] .like").click()
        page.settle()
        assert "like=csv" in page.address
        assert shown_ids(page) == [hit["id"] for hit in ask(url, like=["csv"], k=3)["hits"]]


class TestModes:
    """Searching by words, alone and together with meaning."""

    def test_a_mode_can_be_chosen(self, page: Page, url: str) -> None:
        """The page offers the collection's modes, and shows what the API answers in each."""
        page.open()
        page.search("parse a document")
        page.one("#more-toggle").click()
        assert page.contents("#modes label > span") == [
            "Meaning dense",
            "Words lexical",
            "Meaning and words hybrid",
        ]
        for mode in ("lexical", "dense"):
            page.one(f"#modes input[value={mode}]").click()
            page.settle()
            assert f"mode={mode}" in page.address
            hits = ask(url, query="parse a document", mode=mode)["hits"]
            assert shown_ids(page) == [hit["id"] for hit in hits]
            assert "BM25" not in (page.one(".hit .number").get_dom_attribute("title") or "")

    def test_both_are_searched_where_no_mode_is_chosen(self, page: Page, url: str) -> None:
        """What a score is made of is told where the pointer rests on it."""
        page.open()
        page.search("parse a document")
        assert "mode" not in page.address
        hits = ask(url, query="parse a document", mode="hybrid")["hits"]
        assert shown_ids(page) == [hit["id"] for hit in hits]
        assert "BM25" in (page.one(".hit .number").get_dom_attribute("title") or "")
        scores = hits[0]["scores"]
        assert (scores["dense_rank"], scores["lexical_rank"]) == (1, 2)
        assert page.text(".hit .places") == "1st by meaning\n2nd by words"

    def test_more_like_a_hit_is_by_meaning(self, page: Page, url: str) -> None:
        """An example has no words of its own, whatever mode was chosen."""
        page.open("/?q=rows&k=3&mode=hybrid")
        page.one(f"[data-id={shown_ids(page)[0]}] .like").click()
        page.settle()
        assert " · dense" in page.text("#summary")


class TestWhy:
    """Why a document is a hit."""

    def test_shows_the_words_that_carry_the_score(self, page: Page, url: str) -> None:
        """Words, effects and cosine are the API's; the words are washed where they stand."""
        page.open("/?q=parse a document&mode=dense")
        hits = ask(url, query="parse a document", mode="dense", explain=10)["hits"]
        for hit in (hits[0], hits[2]):  # the first, and one that others come before
            item = f"[data-id={hit['id']}]"
            page.one(f"{item} .ask-why").click()
            page.settle()
            words = {word["text"]: word["effect"] for word in hit["explanation"]["words"]}
            shown = dict(
                zip(
                    page.contents(f"{item} .effects .word"),
                    page.contents(f"{item} .effects .effect"),
                    strict=True,
                )
            )
            assert shown
            for text, effect in shown.items():
                assert float(effect.replace("\u2212", "-")) == pytest.approx(words[text], abs=6e-4)
            assert "Cosine\n" + f"{hit['scores']['dense']:.3f}".replace("-", "\u2212") in page.text(
                f"{item} .scores"
            )
            spans = [span for word in hit["explanation"]["words"] for span in word["spans"]]
            assert page.contents(f"{item} .text mark.weight") == [
                hit["text"][start:end] for start, end in sorted(spans)
            ]
            assert page.contents(f"{item} .passage") == [hit["passage"]["text"]]

    def test_goes_away_again(self, page: Page) -> None:
        """The button that asked why takes the answer away, and the query's words are back."""
        page.open("/?q=parse a document")
        page.one("[data-id=json] .ask-why").click()
        page.settle()
        assert page.one("[data-id=json] .why").is_displayed()
        page.one("[data-id=json] .ask-why").click()
        assert page.all(".why, mark.weight") == []
        assert page.all("[data-id=json] .text mark")

    def test_a_hit_by_example_has_passages_and_scores(self, page: Page) -> None:
        """Without a query there are no words to hold the score against; the cosine is there."""
        page.open("/?like=csv&k=2")
        page.one(".ask-why").click()
        page.settle()
        assert page.text(".why .scores").startswith("Cosine")
        assert page.all(".effects") == []

    def test_words_in_common_carry_a_lexical_score(self, page: Page, url: str) -> None:
        """Searched by words, a hit shows its terms with their parts of the BM25 score."""
        page.open("/?q=parse a document&mode=lexical")
        asked = ask(url, query="parse a document", mode="lexical", explain=1)
        terms = asked["hits"][0]["explanation"]["terms"]
        page.one(".ask-why").click()
        page.settle()
        assert page.contents(".why .effects .word") == [term["text"] for term in terms]
        assert "BM25" in page.text(".why .scores")
        assert page.all(".hit:first-child .passage mark.weight")

    def test_doubts_and_grades_are_said_in_words(self, page: Page) -> None:
        """A doubt is there from 0.05 on; a grade says how many hits like it are relevant."""
        page.open()
        said = page.run(
            "return import('/why.js').then((why) => [null, 0.049, 0.05, 0.31]"
            ".map((one) => why.doubtOf(one)?.reason ?? null)"
            ".concat(['strong', 'weak'].map(why.gradeInWords)))"
        )
        assert said == [
            None,
            None,
            "5 % of unrelated questions find as near a document",
            "31 % of unrelated questions find as near a document",
            "Strong: at least half of hits like this are relevant",
            "Weak: fewer than one in seven hits like this are relevant",
        ]


class TestPaging:
    """More hits than one page has."""

    def test_more_hits_follow(self, page: Page, url: str) -> None:
        """Each page adds to the list until all hits are there; the summary counts them."""
        page.open("/?q=document&k=3&mode=dense")
        everything = [hit["id"] for hit in ask(url, query="document", k=100, mode="dense")["hits"]]
        assert page.text("#summary").startswith(f"Top 3 of {len(DOCUMENTS)} documents")
        page.one(".next-page").click()
        page.settle()
        assert shown_ids(page) == everything[:6]
        assert page.focused.get_dom_attribute("data-id") == everything[3]
        page.one(".next-page").click()
        page.settle()
        assert shown_ids(page) == everything
        assert page.text("#summary").startswith(f"{len(DOCUMENTS)} documents")
        assert page.all(".next-page") == []

    def test_a_hit_of_a_later_page_is_explained(self, page: Page, url: str) -> None:
        """Why? asks after the hit that it stands below, on whatever page."""
        page.open("/?q=document&k=2&mode=dense")
        page.one(".next-page").click()
        page.settle()
        last = page.all(".hit")[3]
        expected = ask(url, query="document", k=4, mode="dense")["hits"][3]["scores"]["dense"]
        page.all(".ask-why")[3].click()
        page.settle()
        assert (
            f"{expected:.3f}".replace("-", "\u2212")
            in last.find_element("css selector", ".scores").text
        )


class TestCollections:
    """All collections at a glance."""

    def test_shows_what_the_api_knows(self, page: Page, url: str) -> None:
        """Each collection has its size, model, index and recall; one leads to a search in it."""
        page.open("/?view=collections")
        assert page.one("#collection").get_property("value") == "default"
        told = httpx.get(f"{url}/collections", trust_env=False).json()["collections"]
        rows = page.values("#collections tbody tr", "data-name")
        assert sorted(filter(None, rows)) == sorted(one["name"] for one in told)
        for one in told:
            cells = page.contents(f"[data-name={one['name']}] td[data-label]")
            assert cells[:3] == [str(one["documents"]), str(one["chunks"]), one["model"]]
            assert cells[3:5] == ["exact", "100 %"]
        page.one("[data-name=bare] .into").click()
        assert page.address == "/?c=bare"
        assert page.one("#collection").get_property("value") == "bare"

    def test_an_alias_is_another_name(self, page: Page, url: str) -> None:
        """It can be chosen and searched by; the table has its collection once, and says it."""
        alias = f"{url}/aliases/latest"
        httpx.put(alias, json={"collection": "default"}, trust_env=False).raise_for_status()
        try:
            page.open("/?c=latest")
            assert page.text("#collection option:checked") == "latest (default)"
            assert page.text("#summary").startswith(f"{len(DOCUMENTS)} documents")
            page.search("rows")
            assert shown_ids(page) == [hit["id"] for hit in ask(url, query="rows")["hits"]]
            page.one("#tab-collections").click()
            page.settle()
            assert len(page.all("#collections tbody tr")) == len(page.all("#collection option")) - 1
            assert "Also latest" in page.text("[data-name=default] th")
            assert page.all("[data-name=default] .chosen")
        finally:
            httpx.delete(alias, trust_env=False).raise_for_status()

    def test_collections_of_evaluations_are_apart(self, page: Page, url: str) -> None:
        """They are folded up below the others, with a table of their own."""
        place = f"{url}/collections/evaluate-made"
        httpx.put(place, json={"model": "hashing"}).raise_for_status()
        page.open("/?view=collections")
        assert not page.one("[data-name=evaluate-made]").is_displayed()
        assert page.text(".evaluated summary") == "1 collection of evaluations"
        page.one(".evaluated summary").click()
        assert page.one("[data-name=evaluate-made] .delete").is_displayed()
        httpx.delete(place).raise_for_status()

    def test_recall_says_of_how_many_it_is(self, page: Page) -> None:
        """Both that measured when the index was built and that of real queries."""
        page.open("/")
        built = {"kind": "scan", "recall": 0.99, "recall_k": 10, "recall_queries": 9}
        watched = {**built, "watched_recall": 0.98, "watched_queries": 7}
        script = "return import('/figures.js').then((m) => m.COLUMNS.Recall({index: arguments[0]}))"
        for index, text, queries in (
            (built, "99.0 % @10", "9 queries"),
            (watched, "98.0 % @10", "7 real queries"),
        ):
            told, reason = page.run(script, index)
            assert told == text
            assert queries in reason

    def test_makes_and_deletes_a_collection(self, page: Page, url: str) -> None:
        """A name is enough; what holds documents goes only when its name was typed."""
        page.open("/?view=collections")
        page.one("#new-collection").click()
        page.press("new-one", Keys.ENTER)
        page.until(lambda: page.one("#choose-files").is_displayed())
        page.settle()
        assert page.address == "/?view=add&c=new-one"
        assert page.focused.get_property("id") == "choose-files"
        made = httpx.get(f"{url}/collections/new-one", trust_env=False).json()
        assert made["model"] == "hashing-256"
        body = {"documents": DOCUMENTS[:2]}
        httpx.put(f"{url}/collections/new-one/documents", json=body).raise_for_status()
        page.open("/?view=collections&c=new-one")
        page.one("[data-name=new-one] .delete").click()
        assert "holds 2 documents" in page.text("dialog[open]")
        page.press("another", Keys.ENTER)
        assert page.one("dialog[open] input:invalid").is_displayed()
        page.write("dialog[open] input", "new-one")
        page.press(Keys.ENTER)
        page.until(lambda: not page.all("[data-name=new-one]"))
        page.settle()
        assert httpx.get(f"{url}/collections/new-one", trust_env=False).status_code == 404
        assert page.address == "/?view=collections"
        assert page.focused.get_property("id") == "new-collection"

    def test_says_why_a_collection_cannot_be_made(self, page: Page, url: str) -> None:
        """The service's refusal is told in the dialog, which can be tried again or left."""
        page.expected.add(422)
        page.open("/?view=collections")
        page.one("#new-collection").click()
        page.press("wrong", Keys.TAB, "/no/such/model", Keys.ENTER)
        page.until(lambda: "/no/such/model" in page.text("dialog[open] [role=alert]"))
        page.press(Keys.ESCAPE)
        page.until(lambda: not page.all("dialog[open]"))
        assert httpx.get(f"{url}/collections/wrong", trust_env=False).status_code == 404

    def test_tells_how_fast_the_last_searches_were(self, page: Page) -> None:
        """The latency is that of this tab's searches, once there was one."""
        page.open("/?view=collections")
        assert "Searches took" not in page.text("[data-name=default]")
        page.one("#tab-search").click()
        page.search("rows")
        page.one("#tab-collections").click()
        page.settle()
        assert re.search(r"Searches took [\d.]+ ms", page.text("[data-name=default]"))


class TestFiles:
    """Files brought into a collection."""

    @pytest.fixture
    def place(self, url: str) -> Iterator[str]:
        """An empty collection, which is gone afterwards; its address in the API."""
        place = f"{url}/collections/shelf"
        httpx.put(place, json={"model": "hashing"}, trust_env=False).raise_for_status()
        yield place
        httpx.delete(place, trust_env=False)

    @staticmethod
    def documents(place: str) -> dict[str, str]:
        """The stored texts by their ids."""
        told = httpx.get(f"{place}/documents?limit=1000", trust_env=False).json()["documents"]
        return {one["id"]: one["text"] for one in told}

    @staticmethod
    def drop(page: Page, **files: str) -> None:
        """Drop files of these names and contents onto the page."""
        page.run(
            "const transfer = new DataTransfer();"
            "for (const [name, text] of arguments[0])"
            " transfer.items.add(new File([text], name));"
            "for (const kind of ['dragover', 'drop']) document.body.dispatchEvent("
            "new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));",
            list(files.items()),
        )

    @staticmethod
    def finish(page: Page, count: int) -> list[str | None]:
        """The states of the files, once so many are done."""
        states = ("done", "partly", "rejected", "failed")
        page.until(
            lambda: (
                len([one for one in page.values(".file", "data-state") if one in states]) == count
                and not page.one("#stop-intake").is_displayed()
            )
        )
        return page.values(".file", "data-state")

    def test_files_are_chosen_by_a_button(self, page: Page, place: str, tmp_path: Path) -> None:
        """What a collection's button leads to takes files in, and leads to a search in them."""
        (tmp_path / "moby.md").write_text("# The sea\n\nA captain hunts a white whale.\n")
        lines = [json.dumps({"id": f"r{n}", "text": f"text {n}"}) for n in range(300)]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        page.open("/?view=collections")
        page.one("[data-name=shelf] .add").click()
        page.until(lambda: page.text("#accepted").startswith("JSON Lines, JSON, CSV"))
        assert page.address == "/?view=add&c=shelf"
        assert page.text("#view-add h2") == "Add documents to shelf"
        page.one("#files").send_keys(f"{tmp_path / 'moby.md'}\n{tmp_path / 'rows.jsonl'}")
        assert self.finish(page, 2) == ["done", "done"]
        assert page.contents(".file .state") == ["1 document written", "300 documents written"]
        assert page.text("#intake-summary") == "2 of 2 files \u00b7 301 documents written"
        assert "white whale" in self.documents(place)["moby.md"]
        page.one("#search-added").click()
        page.search("whale")
        assert page.address == "/?q=whale&c=shelf"
        assert "moby.md" in shown_ids(page)

    def test_files_are_dropped_on_any_view(self, page: Page, place: str) -> None:
        """What was rejected is named with its place, beside what was written."""
        page.open("/?c=shelf")
        self.drop(
            page,
            **{
                "a.jsonl": '{"id": "a", "text": "x"}\nnot json\n{"id": "b", "text": "y"}\n',
                "film.mp4": "no text",
                "b.txt": "plain text",
            },
        )
        assert self.finish(page, 3) == ["partly", "rejected", "done"]
        assert page.address == "/?view=add&c=shelf"
        summary = "3 of 3 files \u00b7 3 documents written \u00b7 2 rejected"
        assert page.text("#intake-summary") == summary
        assert page.contents(".file:nth-child(1) .rejects b") == ["a.jsonl:2"]
        assert "not read here" in page.text(".file:nth-child(2) .rejects")
        assert self.documents(place) == {"a": "x", "b": "y", "b.txt": "plain text"}
        self.drop(page, **{"b.txt": "plain text"})
        self.finish(page, 4)
        assert page.text(".file:nth-child(4) .state") == "1 unchanged"

    def test_says_why_a_file_failed(self, page: Page, place: str) -> None:
        """A collection that is gone takes nothing; the others' places in the queue stay."""
        page.expected.add(404)
        page.open("/?view=add&c=nowhere")
        self.drop(page, **{"a.txt": "x", "b.txt": "y"})
        assert self.finish(page, 2) == ["failed", "failed"]
        assert "'nowhere'" in page.text(".file .state")
        assert page.text("#intake-summary").endswith("2 files failed")

    def test_can_be_stopped(self, page: Page, place: str) -> None:
        """What waits is left out; what is stored stays, and the list says which is which."""
        page.open("/?view=add&c=shelf")
        names = [f"{n:03}.txt" for n in range(200)]
        self.drop(page, **dict.fromkeys(names, "some text"))
        page.until(lambda: page.one("#stop-intake").is_displayed())
        page.one("#stop-intake").click()
        self.finish(page, len(names))
        states = page.contents(".file .state")
        done, stopped = states.count("1 document written"), states.count("Stopped")
        assert done + stopped == len(names)
        assert stopped
        stored = sorted(self.documents(place))
        assert stored in (names[:done], names[: done + 1])  # one may be stored, and not be told

    def test_markup_in_names_is_text(self, page: Page, place: str) -> None:
        """Names come from the reader's disk, and are shown as they are."""
        page.open("/?view=add&c=shelf")
        self.drop(page, **{"<b>bold<br>.txt": "x"})
        assert self.finish(page, 1) == ["done"]
        assert page.contents(".file .name") == ["<b>bold<br>.txt"]
        assert list(self.documents(place)) == ["<b>bold<br>.txt"]

    def test_axe_finds_nothing_among_files(self, page: Page, place: str) -> None:
        """Nor on a phone, which it fits."""
        page.emulate(scheme="dark", width=360, height=740)
        page.open("/?view=add&c=shelf")
        self.drop(page, **{"a.jsonl": "not json", "b.txt": "y", "picture.png": ""})
        self.finish(page, 3)
        assert page.violations() == []
        assert page.run("return document.documentElement.scrollWidth") <= 360


class TestDocument:
    """A document by itself, and what is near to it."""

    def test_shows_the_document_and_its_neighbours(self, page: Page, url: str) -> None:
        """A hit's title leads to the whole text, the metadata, and the nearest other documents."""
        page.open("/?q=rows&k=3")
        page.one("[data-id=csv] .title a").click()
        page.until(lambda: page.all(".neighbours li"))
        assert page.address == "/?q=rows&k=3#/c/default/d/csv"
        assert page.text(".document h2") == "Read rows"
        assert page.contents(".document .whole") == ["Reads comma separated rows from a file."]
        assert page.contents(".document .metadata div") == ["kindfunction", "year1999"]
        assert page.focused.get_property("id") == "document-title"
        near = ask(url, like=["csv"], k=10)["hits"]
        items = page.all(".neighbours li")
        assert [each.get_dom_attribute("data-id") for each in items] == [h["id"] for h in near]

    def test_a_hit_opens_at_its_passage(self, page: Page, url: str) -> None:
        """It is marked and in sight; of a long text a part is shown, and more by buttons."""
        query = "Leg 320 keeps a course of 80 degrees"
        page.open(f"/?q={quote(query)}")
        hit = next(one for one in ask(url, query=query)["hits"] if one["id"] == "log")
        start, end = hit["passage"]["start"], hit["passage"]["end"]
        page.one("[data-id=log] .title a").click()
        page.until(lambda: page.all(".neighbours li"))
        assert page.address.endswith(f"#/c/default/d/log/at/{start}-{end}")
        assert page.contents(".document .sought") == [hit["passage"]["text"]]
        script = "const box = document.querySelector('.sought').getBoundingClientRect();"
        assert page.run(script + "return box.top >= 0 && box.bottom <= innerHeight")
        page.open(page.address)
        assert page.contents(".document .sought") == [hit["passage"]["text"]]
        before, after = page.all(".reading .next-page")
        assert before.is_displayed() and len(page.contents(".document .whole")[0]) < len(LONG)
        while before.is_displayed() or after.is_displayed():
            (before if before.is_displayed() else after).click()
        assert page.contents(".document .whole") == [LONG]

    def test_tells_pages_headings_and_addresses(self, page: Page, url: str) -> None:
        """Where a passage stands is what the API says of it; addresses in metadata are links."""
        text = "Begin\n\n\nMethods\n\nWe sail.\fOn page two\n\n\nData\n\nWhales swim here."
        given = {"headings": ["Methods", "Methods > Data"], "url": "https://example.org/a?b#c"}
        given |= {"script": "javascript:alert(1)"}
        place = f"{url}/collections/paged"
        httpx.put(place, json={"model": "hashing"}).raise_for_status()
        document = {"id": "a/b", "text": text, "metadata": given}
        httpx.put(f"{place}/documents", json={"documents": [document]}).raise_for_status()
        start = text.index("Whales")
        page.open(f"/#/c/paged/d/a%2Fb/at/{start}-{start + 11}")
        assert page.text(".document .place") == "Page 2, Methods > Data"
        assert page.contents(".document .sought") == ["Whales swim"]
        assert page.contents(".page-break") == ["Page 1", "Page 2"]
        links = [link.get_property("href") for link in page.all(".metadata a")]
        assert links == ["https://example.org/a?b#c"]
        httpx.delete(place).raise_for_status()

    def test_says_which_file_gives_it(self, page: Page) -> None:
        """The file of a source that is kept in step stands among its metadata."""
        page.open("/#/c/kept/d/notes%2Ftide.txt")
        assert page.text(".whole") == "The tide follows the moon."
        assert page.contents(".metadata dt")[-1] == "from"
        assert page.contents(".metadata dd")[-1] == "tide.txt in notes"
        page.open("/#/c/default/d/json")
        assert "from" not in page.contents(".metadata dt")

    def test_back_leads_to_the_hits(self, page: Page) -> None:
        """From neighbour to neighbour and back is the browser's history; the hits stay."""
        page.open("/?q=rows&k=3")
        hits = shown_ids(page)
        page.one("[data-id=csv] .title a").click()
        page.until(lambda: page.all(".neighbours li"))
        page.one(".neighbours li a").click()
        page.until(lambda: not page.address.endswith("/csv") and page.all(".neighbours li"))
        page.driver.back()
        page.until(lambda: page.text(".document h2") == "Read rows")
        page.driver.back()
        page.until(lambda: page.one("#hits").is_displayed())
        assert shown_ids(page) == hits
        assert not page.one("#view-document").is_displayed()

    def test_link_leads_to_a_document(self, page: Page) -> None:
        """The fragment names collection and id; the button then leads to a search there."""
        page.open("/#/c/default/d/hostile")
        assert page.text(".document h2") == HOSTILE
        assert page.all(".document img, .document b") == []
        page.one(".back").click()
        assert page.address == "/"
        assert page.one("#query").is_displayed()

    def test_says_that_there_is_no_such_document(self, page: Page) -> None:
        """A link to a document that is gone says so."""
        page.expected.add(404)
        page.open("/#/c/default/d/gone%2Fagain")
        assert "'gone/again'" in page.text("#document .notice[role=alert]")


class TestFilter:
    """Filters as JSON and as chips."""

    def test_restricts_the_hits(self, page: Page) -> None:
        """Only documents that pass are found; each condition is a chip that takes itself away."""
        page.open("/?q=document")
        page.one("#filter-toggle").click()
        page.one("#any-condition summary").click()
        page.write("#filter", '{"year": {"$gte": 2000, "$lt": 2010}}')
        page.press(Keys.CONTROL, Keys.ENTER)
        page.one("#search .primary").click()
        page.settle()
        assert shown_ids(page) == ["json"]
        assert page.contents(".chip span:first-child") == ["year \u2265 2000", "year < 2010"]
        page.all(".chip")[1].click()
        page.settle()
        assert sorted(filter(None, shown_ids(page))) == ["heap", "json"]
        assert json.loads(str(page.one("#filter").get_property("value"))) == {
            "year": {"$gte": 2000}
        }

    def test_says_what_is_wrong_while_it_is_typed(self, page: Page) -> None:
        """A filter that does not parse is explained beside its field, and not sent."""
        page.open()
        page.one("#filter-toggle").click()
        page.one("#any-condition summary").click()
        wrong = {
            "{'kind': 'class'}": "double quotes",
            '{"year": {"$atleast": 2}}': "there is no operator $atleast",
            '{"kind": ["class"]}': '{"$in":',
            '{"kind": "class",}': "comma before a closing bracket",
            "[1]": "an object is needed",
        }
        for text, words in wrong.items():
            page.write("#filter", text)
            assert words in page.text("#filter-problem")
            assert page.one("#filter").get_dom_attribute("aria-invalid") == "true"
        page.search("document")
        assert page.all(".hit") == []

    def test_repeats_what_the_service_refuses(self, page: Page) -> None:
        """What only the service finds wrong is shown in its own words."""
        page.expected.add(422)
        page.open("/?q=document&filter=" + quote('{"year": {"$gt": true}}'))
        assert "filter.year.$gt: expected a number or a string" in page.text(".notice[role=alert]")

    def test_is_built_from_the_fields_of_the_collection(self, page: Page) -> None:
        """Field, operator and value make a condition; known fields and values are suggested."""
        page.open("/?q=document")
        page.one("#filter-toggle").click()
        page.until(lambda: page.all("#fields option"))
        assert {each.get_property("value") for each in page.all("#fields option")} == {
            "kind",
            "year",
            "tags",
        }
        page.one("#any-condition summary").click()
        page.write("#field", "tags")
        assert {each.get_property("value") for each in page.all("#values option")} == {
            "text",
            "web",
        }
        page.write("#value", "web")
        page.one("#add-condition").click()
        page.settle()
        assert shown_ids(page) == ["json"]

    def test_values_of_the_fields_are_chosen(self, page: Page, url: str) -> None:
        """Each value has its count; one or several are let through, beside the hits."""
        page.open("/?q=document")
        page.one("#filter-toggle").click()
        page.settle()
        told = httpx.get(f"{url}/collections/default/fields", trust_env=False).json()["fields"]
        names = page.values(".facet", "data-field")
        assert names == [one["name"] for one in sorted(told, key=lambda one: one["distinct"])]
        first = page.one(".hit").rect["y"]
        page.one("#filter-close").click()
        assert page.one(".hit").rect["y"] == first
        page.one("#filter-toggle").click()
        kinds = '[data-field="kind"] button'
        assert page.contents(f"{kinds} .tally") == ["2", "1", "1", "1"]
        page.one(f"{kinds}[data-value=function]").click()
        page.settle()
        assert sorted(filter(None, shown_ids(page))) == ["csv", "heap"]
        assert page.focused.get_dom_attribute("data-value") == "function"
        page.press(Keys.TAB, Keys.SPACE)
        page.settle()
        chosen = json.loads(str(page.one("#filter").get_property("value")))
        second = next(one for one in told if one["name"] == "kind")["common"][1]["value"]
        assert chosen == {"kind": {"$in": ["function", second]}}
        assert shown_ids(page) == [
            hit["id"] for hit in ask(url, query="document", filter=chosen)["hits"]
        ]
        for _ in range(2):
            page.one(f"{kinds}[aria-pressed=true]").click()
            page.settle()
        assert page.one("#filter").get_property("value") == ""
        assert len(shown_ids(page)) == len(DOCUMENTS)

    def test_values_are_counted_for_the_query(self, page: Page, url: str) -> None:
        """By words in what holds one, and a field's own condition does not hide its others."""
        page.open("/?mode=lexical&q=document")
        page.one("#filter-toggle").click()
        page.until(lambda: page.text("#counted").startswith("Counts are of the 2 documents with"))
        kinds = '[data-field="kind"] button'
        page.until(lambda: page.contents(f"{kinds} .tally") == ["1", "0", "0", "0"])
        assert page.contents(f"{kinds} > span:first-child")[0] == "class"
        page.one(f"{kinds}[data-value=class]").click()
        page.settle()
        page.until(lambda: page.contents(f"{kinds} .tally") == ["1", "0", "0", "0"])
        assert shown_ids(page) == ["json"]
        tags = '[data-field="tags"] button'
        assert page.contents(f"{tags} .tally") == ["1", "1"]
        page.open("/?q=document")
        page.until(lambda: not page.one("#filter-panel").is_displayed())
        page.one("#filter-toggle").click()
        page.until(
            lambda: (
                page.text("#counted") == f"Counts are of the {len(DOCUMENTS)} best for the query."
            )
        )
        page.open("/")
        page.one("#filter-toggle").click()
        page.until(lambda: page.text("#counted") == "Counts are of the whole collection.")

    @pytest.mark.long  # as of moments, below
    def test_a_range_of_numbers_is_chosen(self, page: Page, url: str) -> None:
        """Numbers of many values are asked for by their ends, which the fields state."""
        documents = [
            {"id": f"n{i}", "text": "a number", "metadata": {"n": i / 2}} for i in range(30)
        ]
        name = f"{url}/collections/numbers"
        httpx.put(name, json={"model": "hashing"}).raise_for_status()
        httpx.put(f"{name}/documents", json={"documents": documents}).raise_for_status()
        page.open("/?q=number&c=numbers&k=30")
        page.one("#filter-toggle").click()
        page.settle()
        low, high = page.all(".facet .range input")
        assert [each.get_dom_attribute("placeholder") for each in (low, high)] == ["0", "14.5"]
        low.send_keys("3.5", Keys.TAB)
        page.settle()
        page.one(".facet [name=to]").send_keys("5", Keys.TAB)
        page.settle()
        assert sorted(filter(None, shown_ids(page))) == ["n10", "n7", "n8", "n9"]
        assert page.contents(".chip span:first-child") == ["n \u2265 3.5", "n \u2264 5"]
        httpx.delete(name).raise_for_status()

    def test_a_range_of_moments_is_chosen(self, page: Page, url: str) -> None:
        """Moments of many values are asked for by their ends, in any offset."""
        documents = [
            {"id": f"m{day}", "text": "a moment", "metadata": {"at": f"2024-03-{day}T00:00:00Z"}}
            for day in range(10, 30)
        ]
        name = f"{url}/collections/moments"
        httpx.put(name, json={"model": "hashing"}).raise_for_status()
        httpx.put(f"{name}/documents", json={"documents": documents}).raise_for_status()
        page.open("/?q=moment&c=moments&k=30")
        page.one("#filter-toggle").click()
        page.settle()
        low, high = page.all(".facet .range input")
        placeholders = [each.get_dom_attribute("placeholder") for each in (low, high)]
        assert placeholders == ["2024-03-10T00:00:00Z", "2024-03-29T00:00:00Z"]
        assert not page.all(".facet button")
        low.send_keys("2024-03-11T23:00:00-01:00", Keys.TAB)
        page.settle()
        page.one(".facet [name=to]").send_keys("2024-03-13", Keys.TAB)
        page.settle()
        assert sorted(filter(None, shown_ids(page))) == ["m12", "m13"]
        page.one("#any-condition summary").click()
        page.write("#field", "at")
        page.write("#value", "2024-03-12T01:00:00+01:00")
        page.one("#add-condition").click()
        page.settle()
        assert list(filter(None, shown_ids(page))) == ["m12"]
        httpx.delete(name).raise_for_status()

    def test_metadata_of_a_hit_filters(self, page: Page) -> None:
        """A value of a hit's metadata is a button that keeps only documents with it."""
        page.open("/?q=document")
        page.one("[data-id=csv] .facts [title='Only kind = function']").click()
        page.settle()
        assert sorted(filter(None, shown_ids(page))) == ["csv", "heap"]

    def test_says_why_nothing_is_left(self, page: Page) -> None:
        """No hits under a filter is told apart from an empty collection."""
        page.open("/?q=document&filter=" + quote('{"kind": "nothing"}'))
        assert "No document passes this filter" in page.text("#after")
        assert "no document has" not in page.text("#summary")

    def test_says_which_field_no_document_has(self, page: Page) -> None:
        """A misspelt field is named beside the number of hits."""
        page.open("/?q=document&filter=" + quote('{"knid": "article"}'))
        assert "no document has the field knid of the filter" in page.text("#summary")


class TestAddress:
    """Links and history."""

    def test_link_leads_to_the_same_hits(self, page: Page, url: str) -> None:
        """Query, number of hits, exactness and filter are read from the address."""
        found = {"year": {"$exists": True}}
        page.open(f"/?q=rows&k=2&exact=1&filter={quote(json.dumps(found))}")
        assert shown_ids(page) == [
            hit["id"] for hit in ask(url, query="rows", k=2, filter=found)["hits"]
        ]
        assert page.one("#query").get_property("value") == "rows"
        assert page.one("#exact").is_selected()

    def test_back_leads_to_the_search_before(self, page: Page) -> None:
        """Each search is a step in the history."""
        page.open()
        page.search("rows")
        first = shown_ids(page)
        page.search("smallest item")
        assert shown_ids(page) != first
        page.driver.back()
        page.until(lambda: shown_ids(page) == first)
        assert page.address == "/?q=rows"
        page.driver.back()
        page.until(lambda: not shown_ids(page))
        assert page.text("#summary").startswith(f"{len(DOCUMENTS)} documents, found by")

    def test_a_collection_that_is_empty_or_missing_says_so(self, page: Page) -> None:
        """An empty collection tells how to fill it, a missing one what there is instead."""
        page.open("/?c=bare")
        assert page.text("#about pre") == "bearing index PATH --collection bare"
        page.one("#about .add").click()
        page.settle()
        assert page.address == "/?view=add&c=bare"
        assert page.text("#view-add h2") == "Add documents to bare"
        page.open("/?c=bare&q=rows")
        assert "Nothing to find yet" in page.text("#after")
        page.open("/?c=gone")
        assert "There is no collection gone" in page.text("#about")
        page.expected.add(404)
        page.open("/?c=gone&q=rows")
        assert "'gone'" in page.text(".notice[role=alert]")

    def test_a_collection_that_is_filled_meanwhile_is_followed(self, page: Page, url: str) -> None:
        """Who looks at one that comes to be, and grows, sees it so without asking again."""
        place = f"{url}/collections/coming"
        page.begin_with(HURRY)
        page.open("/?c=coming")
        assert "There is no collection coming" in page.text("#about")
        page.write("#query", "half a que")
        httpx.put(place, json={"model": "hashing"}, trust_env=False).raise_for_status()
        page.until(lambda: "coming is empty" in page.text("#about"))
        for number in (1, 2):
            document = {"id": f"d{number}", "text": "a document"}
            given = {"documents": [document]}
            httpx.put(f"{place}/documents", json=given, trust_env=False).raise_for_status()
            said = f"{number} document"
            page.until(lambda: page.text("#summary").startswith(said))  # noqa: B023 - called at once
        assert page.one("#query").get_property("value") == "half a que"
        httpx.delete(place, trust_env=False).raise_for_status()

    def test_collections_are_chosen(self, page: Page) -> None:
        """The picker has the collections' names; choosing one asks it the same question."""
        page.open("/?q=rows")
        options = page.all("#collection option")
        assert {option.text for option in options} == {"default", "bare", "kept"}
        next(option for option in options if option.text == "bare").click()
        page.settle()
        assert page.address == "/?q=rows&c=bare"
        assert shown_ids(page) == []


class TestStart:
    """The page before anything is asked."""

    def test_begins_with_examples_and_documents(self, page: Page, url: str) -> None:
        """Both are the API's; an example is searched for at a click, and is a link."""
        page.open()
        place = f"{url}/collections/default"
        queries = httpx.get(f"{place}/examples", trust_env=False).json()["queries"]
        assert page.contents(".examples a") == queries != []
        listed = httpx.get(f"{place}/documents?limit=5", trust_env=False).json()["documents"]
        assert page.contents(".first a") == [one["title"] or one["id"] for one in listed]
        link = page.one(".examples a")
        href = str(link.get_property("href"))
        link.click()
        page.settle()
        shown = shown_ids(page)
        assert page.one("#query").get_property("value") == queries[0]
        assert shown == [hit["id"] for hit in ask(url, query=queries[0])["hits"]]
        page.open(href.removeprefix(url))
        assert shown_ids(page) == shown


class TestKeyboard:
    """Everything without a mouse."""

    def test_walks_from_the_box_through_the_hits(self, page: Page) -> None:
        """Slash leads to the box, Enter searches, arrows walk, Enter opens, Escape leads back."""
        page.open()
        page.run("document.activeElement.blur()")
        page.press("/")
        assert page.focused.get_property("id") == "query"
        page.press("Leg of a voyage", Keys.ENTER)
        page.settle()
        page.press(Keys.ARROW_DOWN)
        assert page.focused.get_dom_attribute("data-id") == shown_ids(page)[0] == "log"
        page.press(Keys.ENTER)
        page.until(lambda: page.all(".document h2"))
        assert "/d/log" in page.address
        page.driver.back()
        page.until(lambda: page.one("#hits").is_displayed())
        page.run("document.querySelector('.hit').focus()")
        page.press(Keys.ARROW_DOWN)
        assert page.focused.get_dom_attribute("data-id") == shown_ids(page)[1]
        page.press(Keys.END)
        assert page.focused.get_dom_attribute("data-id") == shown_ids(page)[-1]
        page.press(Keys.ESCAPE)
        assert page.focused.get_property("id") == "query"
        page.press(Keys.ENTER)
        page.until(lambda: page.all(".document h2"))
        assert "/d/log" in page.address  # the first of the hits that are shown

    def test_tabs_follow_the_arrows(self, page: Page) -> None:
        """An arrow on a tab shows the other view, whose tab is then the only stop."""
        page.open()
        page.one("#tab-search").click()
        page.press(Keys.ARROW_RIGHT)
        assert page.focused.get_property("id") == "tab-map"
        page.press(Keys.ARROW_RIGHT)
        assert page.focused.get_property("id") == "tab-compare"
        assert page.one("#view-compare").is_displayed()
        assert not page.one("#view-search").is_displayed()
        assert page.values("[role=tab]", "tabindex") == [
            "-1",
            "-1",
            "0",
            "-1",
        ]
        assert page.address == "/?view=compare"


class TestHeatMap:
    """Texts held against each other."""

    @staticmethod
    def matrix(page: Page) -> list[list[float]]:
        """The exact values behind the cells."""
        script = "return [...document.querySelectorAll('.heat tbody tr')].map(row =>"
        script += " [...row.querySelectorAll('td')].map(cell => Number(cell.dataset.value)))"
        found: list[list[float]] = page.run(script)
        return found

    @staticmethod
    def compare(url: str, **body: object) -> dict[str, Any]:
        """What the API answers to a comparison."""
        answer = (
            httpx.post(f"{url}/admin/similarity", json=body, trust_env=False)
            .raise_for_status()
            .json()
        )
        assert isinstance(answer, dict)
        return answer

    def test_shows_the_similarities_of_the_api(self, page: Page, url: str) -> None:
        """Each cell has the API's cosine, to two decimals; heads repeat the texts."""
        page.open("/?view=compare")
        page.compare("\n".join(TEXTS))
        expected = self.compare(url, a=TEXTS)["similarity"]
        assert self.matrix(page) == expected
        shown = [float(text.replace("\u2212", "-")) for text in page.contents(".heat tbody td")]
        assert shown == pytest.approx(
            [value for row in expected for value in row], abs=0.005 + 1e-9
        )
        assert page.contents(".heat tbody th .label") == TEXTS
        assert page.text("#matrix-summary").startswith("6 pairs \u00b7 closest 3 and 4")

    def test_holds_two_lists_against_each_other(self, page: Page, url: str) -> None:
        """Rows are the first list, columns the second; a link brings both."""
        page.open("/?view=compare")
        page.compare("\n".join(TEXTS[:3]), TEXTS[3])
        expected = self.compare(url, a=TEXTS[:3], b=TEXTS[3:])["similarity"]
        assert self.matrix(page) == expected
        page.open(page.address)
        assert self.matrix(page) == expected

    def test_shows_every_measure_that_the_api_has(self, page: Page, url: str) -> None:
        """The measures are those of the OpenAPI document; each shows its own matrix."""
        page.open("/?view=compare#texts=" + quote("\n".join(TEXTS)))
        schemas = httpx.get(f"{url}/openapi.json", trust_env=False).json()["components"]["schemas"]
        names = [str(option.get_property("value")) for option in page.all("#measure option")]
        assert names == schemas["Measure"]["enum"]
        for name in names:
            next(o for o in page.all("#measure option") if o.get_property("value") == name).click()
            page.settle()
            expected = self.compare(url, a=TEXTS, metrics=[name])["metrics"][name]
            assert [pytest.approx(row, abs=1e-6) for row in expected] == self.matrix(page)

    def test_shows_probabilities(self, page: Page, url: str) -> None:
        """With a temperature, each row can be seen as the API's probabilities."""
        page.open("/?view=compare&temperature=0.1#texts=" + quote("\n".join(TEXTS)))
        page.one("#shown label:nth-of-type(2)").click()
        expected = self.compare(url, a=TEXTS, temperature=0.1)["probabilities"]
        assert self.matrix(page) == expected
        assert [sum(row) for row in self.matrix(page)] == pytest.approx([1] * len(TEXTS))

    def test_values_can_be_read_on_every_colour(self, page: Page) -> None:
        """Text and fill of any cell have a contrast of at least 4.5, from -1 to 1, in any light."""
        page.open()
        seen = set()
        for scheme in ("light", "dark"):
            page.emulate(scheme=scheme)
            pairs = page.run(
                "return import('/colours.js').then(({cellColours}) => [...Array(201).keys()]"
                ".map(i => cellColours((i - 100) / 100)).map(({fill, text}) => [fill, text]))"
            )
            assert len({fill for fill, _ in pairs}) > 100
            assert min(contrast(fill, text) for fill, text in pairs) >= 4.5
            seen.add(str(pairs))
        assert len(seen) == 2

    def test_refuses_more_than_a_page_can_show(self, page: Page) -> None:
        """Hundreds of lines are not asked for, and the limit is named."""
        page.open("/?view=compare")
        page.run("document.querySelector('#texts').value = 'word\\n'.repeat(300)")
        page.one("#compare .primary").click()
        assert "90,000 values, at most 40,000" in page.text("#heat .notice[role=alert]")

    def test_refusal_is_told_in_words(self, page: Page) -> None:
        """A comparison that the service refuses is explained where the map would be."""
        page.expected.add(422)
        page.open("/?view=compare&temperature=1e-400#texts=" + quote("a\nb"))
        assert page.all(".heat") == []
        assert "temperature" in page.text("#heat .notice[role=alert]")


class TestGuest:
    """A service that wants a key."""

    @pytest.fixture
    def stranger(self, browser: webdriver.Chrome, guarded: str) -> Iterator[Page]:
        """The page before any key was given; what it was given is forgotten in the end."""
        page = Page(browser, guarded)
        page.emulate()
        yield page
        page.leave()

    def test_asks_once_and_keeps_the_key_for_the_tab(self, stranger: Page) -> None:
        """A wrong key is asked for again; the right one is kept in the tab, and nowhere else."""
        page, browser = stranger, stranger.driver
        browser.get(f"{page.url}/?q=rows")
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.press("wrong", Keys.ENTER)
        page.until(lambda: "refused that key" in page.text("#key-note"))
        page.press(KEY, Keys.ENTER)
        page.settle()
        assert len(shown_ids(page)) == len(DOCUMENTS)
        page.open("/?q=voyage")
        assert len(shown_ids(page)) == len(DOCUMENTS)
        kept = page.run("return [sessionStorage.length, localStorage.length, document.cookie]")
        assert kept == [1, 0, ""]
        assert KEY not in page.driver.page_source
        page.run("sessionStorage.clear()")
        browser.get(f"{page.url}/?q=rows")
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.one("#key-cancel").click()
        page.until(lambda: "A key is needed" in page.text("#about"))

    def test_a_key_that_may_only_search_is_told_so(self, stranger: Page) -> None:
        """What a key may not do is said, not offered; another key can be given, or it forgotten."""
        page, browser = stranger, stranger.driver
        browser.get(f"{page.url}/?view=collections")
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.press(f"{KEY}-of-ann", Keys.ENTER)
        page.settle()
        assert page.text("#caller p") == "The key ann may search. It is kept in this tab only."
        assert page.all("#new-collection, .delete") == []
        assert "needs a key that may admin" in page.text("#collections")
        browser.get(f"{page.url}/?view=add")
        page.until(lambda: "may not add documents" in page.text("#add-problem"))
        assert not page.one("#drop").is_displayed()
        page.one("#tab-compare").click()
        page.until(lambda: "may not compare texts" in page.text("#heat"))
        assert not page.one("#compare").is_displayed()
        page.one("#heat .change-key").click()
        page.press(KEY, Keys.ENTER)
        caller = "return document.querySelector('#caller').textContent"
        page.until(lambda: "owner may admin" in page.run(caller))  # in one step: it reloads
        page.settle()
        assert page.one("#compare").is_displayed()
        page.one("#caller .forget-key").click()
        page.until(lambda: page.run("return document.querySelector('#key-dialog').open"))
        assert page.run("return sessionStorage.length") == 0


class TestEveryone:
    """Screens and readers of all kinds."""

    def test_a_phone_shows_hits_early(self, page: Page) -> None:
        """The first hit begins in the upper fifth, with controls and collection above it."""
        page.emulate(width=390, height=844)
        page.open("/?q=voyage")
        assert page.one(".hit").rect["y"] <= 844 / 5
        assert page.one("#collection").is_displayed() and page.one("#more-toggle").is_displayed()
        assert not page.one(".tape").is_displayed()

    def test_more_stands_below_its_button(self, page: Page) -> None:
        """Their right edges are one, whatever room a scrollbar takes."""
        page.open()
        button = page.one("#more-toggle")
        button.click()
        panel, rect = page.one("#more").rect, button.rect
        assert panel["x"] + panel["width"] == pytest.approx(rect["x"] + rect["width"], abs=1)
        assert panel["y"] >= rect["y"] + rect["height"]

    def test_views_begin_at_one_height(self, page: Page) -> None:
        """Whichever view is chosen, its first line of content stands where the others' does."""
        tops = set()
        for address in (
            "/",
            "/?view=map&c=bare",
            "/?view=compare",
            "/?view=collections",
            "/?view=add",
        ):
            page.open(address)
            script = "return [...document.querySelectorAll('.view:not([hidden]) *')].map(e =>"
            script += " e.getBoundingClientRect()).find(r => r.height).top"
            tops.add(page.run(script))
        assert len(tops) == 1

    @pytest.mark.parametrize("scheme", ["dark", LIGHT])
    @pytest.mark.parametrize(
        "address",
        [
            pytest.param("/", marks=pytest.mark.long),
            "/?q=voyage",
            pytest.param("/#/c/default/d/json", marks=pytest.mark.long),
            "/#/c/default/d/log",
            "/?view=collections",
            pytest.param("/?view=add", marks=pytest.mark.long),
            "/?view=compare#texts=a%20b%0Ac%20d%0Ae%20f",
            pytest.param("/?c=bare", marks=pytest.mark.long),
        ],
    )
    def test_fits_a_phone_and_axe_finds_nothing(
        self, page: Page, address: str, scheme: str
    ) -> None:
        """At 360 pixels nothing reaches beyond the edge; nor has axe a complaint, on any screen."""
        page.emulate(scheme=scheme, width=360, height=740)
        page.open(address)
        assert page.run("return document.documentElement.scrollWidth") <= 360
        page.emulate(scheme=scheme)
        assert page.violations() == []

    @pytest.mark.parametrize("scheme", ["dark", LIGHT])
    def test_axe_finds_nothing_in_a_dialog(self, page: Page, scheme: str) -> None:
        """Nor in what is asked before something is made or deleted."""
        page.emulate(scheme=scheme)
        page.open("/?view=collections")
        for opener in ("#new-collection", "[data-name=default] .delete"):
            page.one(opener).click()
            assert page.violations("dialog[open]") == []
            page.press(Keys.ESCAPE)
            page.until(lambda: not page.all("dialog[open]"))

    @pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
    def test_axe_finds_nothing_in_a_filter(self, page: Page, scheme: str) -> None:
        """Nor among the fields that a filter is made of; and they fit a phone."""
        page.emulate(scheme=scheme, width=360, height=740)
        page.open("/?q=document&filter=" + quote('{"kind": "function"}'))
        page.one("#filter-toggle").click()
        page.settle()
        assert page.all(".facet [aria-pressed=true]")
        assert page.violations() == []
        assert page.run("return document.documentElement.scrollWidth") <= 360

    def test_axe_finds_nothing_in_an_explanation(self, page: Page) -> None:
        """Nor where a hit was asked why it is one, in the dark, with *More* open beside it."""
        page.emulate(scheme="dark")
        page.open("/?q=how to parse a JSON document&mode=hybrid")
        page.one(".ask-why").click()
        page.settle()
        assert page.all("mark.weight")
        page.one("#more-toggle").click()
        assert page.violations() == []


def contrast(one: str, other: str) -> float:
    """The contrast of two CSS colours (WCAG 2.2, 1 to 21)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of ``rgb(r g b)``, ``#000`` or ``#fff`` (WCAG 2.2)."""
    named = {"#000": (0.0, 0.0, 0.0), "#fff": (255.0, 255.0, 255.0)}
    channels = named.get(colour) or tuple(float(c) for c in re.findall(r"[\d.]+", colour))
    r, g, b = (
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
        for c in channels
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_finds_by_meaning_with_the_real_model(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """With the default model a search finds what shares no word with it, and the map agrees."""
    documents = [
        {"id": "kitten", "text": "A kitten naps on the couch."},
        {"id": "market", "text": "Stock prices fell sharply on Monday."},
        {"id": "engine", "text": "The engine of the car would not start."},
    ]
    with running_service(tmp_path, {}) as url:
        made = httpx.put(f"{url}/collections/default", json={}, timeout=HOUR, trust_env=False)
        made.raise_for_status()
        httpx.put(
            f"{url}/documents", json={"documents": documents}, timeout=HOUR, trust_env=False
        ).raise_for_status()
        page = Page(browser, url)
        page.emulate()
        page.open()
        page.search("a sleeping cat")
        assert shown_ids(page)[0] == "kitten"
        page.one("#tab-compare").click()
        page.compare(
            "a sleeping cat\nA kitten naps on the couch.\nStock prices fell sharply on Monday."
        )
        near, far = TestHeatMap.matrix(page)[0][1:]
        assert near > 0.4 > far
