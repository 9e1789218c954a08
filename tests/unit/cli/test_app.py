"""How commands are called, how they end, and what they leave on standard output."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from called import bearing, run_bearing
from typer.core import TyperCommand, TyperGroup
from typer.testing import Result

from indexer.installation import version
from indexer.storage.maintenance.manifest import FORMAT, MANIFEST, Manifest


def call(folder: Path, *words: str) -> Result:
    """The result of a command on a directory of collections, of the hashing model."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing"}
    return run_bearing(list(words), env=settings)


def write_lines(path: Path, *lines: str) -> str:
    """The path of a file of such lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


GOOD = '{"id": "a", "text": "a bearing is a direction"}'


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["search", "x", "--collection", "nowhere"], 1, "there is no collection 'nowhere'"),
        (["stats", "--collection", "nowhere"], 1, "nowhere"),
        (["index", "missing.jsonl"], 1, "missing.jsonl"),
        (["index"], 2, "PATH"),
        (["search", "x", "--novelty"], 2, "--novelty"),
        (["search", "x", "-k", "0"], 2, "'-k'"),
        (["search", "x", "--mode", "silly"], 2, "silly"),
        (["search", "x", "--filter", "{"], 2, "--filter is not JSON"),
        (["search"], 2, "give one of"),
        (["search", "x", "--rerank", "0"], 2, "'--rerank'"),
        (["search", "x", "--diversity", "2"], 2, "'--diversity'"),
        (["search", "--like", "a", "--reranker", "overlap"], 2, "needs a text"),
        (["evaluate", "nowhere"], 1, "nowhere"),
        (["similarity", "a", "b", "--temperature", "0"], 2, "temperature"),
        (["collections", "create", "a b"], 2, "'a b'"),
        (["collections", "delete", "nowhere", "--yes"], 1, "nowhere"),
        (["collections", "paint"], 2, "paint"),
        (["index", ".", "--shard", "3/2"], 2, "2/8"),
        (["index", ".", "--shard", "1/2"], 1, "a database takes several"),
    ],
)
def test_an_error_is_one_object_too(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """With --json, standard output holds one object that says what was wrong, and the exit code."""
    done = call(tmp_path, *words, "--json")
    answer = json.loads(done.stdout)
    assert answer.keys() == {"error", "exit_code"}
    assert said in answer["error"]
    assert (done.exit_code, answer["exit_code"]) == (code, code)
    assert done.stderr


def test_without_json_an_error_leaves_standard_output_empty(tmp_path: Path) -> None:
    """People are told on standard error only."""
    done = call(tmp_path, "search", "x")
    assert done.stdout == ""
    assert done.stderr.startswith("bearing: there is no collection")


def test_rejected_lines_end_with_3_and_good_ones_are_stored(tmp_path: Path) -> None:
    """Bad lines are named in the rejects file; the others can be found."""
    given = write_lines(tmp_path / "a.jsonl", GOOD, "{bad", '{"id": "b"}')
    done = call(tmp_path, "index", given, "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == 3
    assert (answer["written"], answer["rejected"]) == (1, 2)
    rejects = [json.loads(line) for line in Path(answer["rejects"]).read_text().splitlines()]
    assert [one["place"] for one in rejects] == [f"{given}:2", f"{given}:3"]
    found = json.loads(call(tmp_path, "search", "direction", "--json").stdout)
    assert [hit["id"] for hit in found["hits"]] == ["a"]


def test_the_stages_of_a_search_have_options(tmp_path: Path) -> None:
    """What a query can ask for, the command line can; what cannot be done says what is missing."""
    texts = {"a": "fox fox fox", "b": "fox and direction", "c": "direction", "d": "none of it"}
    lines = [json.dumps({"id": id, "text": text, "of": text[0]}) for id, text in texts.items()]
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", *lines))

    def hits(*words: str) -> list[dict[str, object]]:
        return json.loads(call(tmp_path, "search", *words, "--json").stdout)["hits"]

    assert [hit["id"] for hit in hits("fox direction", "--reranker", "overlap", "-k", "1")] == ["b"]
    like = hits("--like-text", "fox fox fox", "--strategy", "best")
    assert like[0]["id"] == "a"
    grouped = hits("fox", "--group-by", "of", "--group-size", "2")
    assert len({hit["group"] for hit in grouped}) == 3 and len(grouped) == 4
    assert len(hits("fox", "--diversity", "0.5", "--candidates", "3", "-k", "2")) == 2
    told = hits("fox direction", "--explain")
    assert ["explanation" in hit for hit in told] == [True, True, True, False]
    shown = call(tmp_path, "search", "direction", "--explain", "--group-by", "of").stdout
    assert "the score hangs on: direction" in shown and "of: d" in shown
    one = json.loads(call(tmp_path, "search", "fox", "-k", "1", "--json").stdout)
    (other,) = hits("fox", "-k", "1", "--cursor", one["cursor"])
    assert one["total"] == 4 and other["id"] != one["hits"][0]["id"]
    refused = call(tmp_path, "search", "fox", "--rerank", "5")
    assert refused.exit_code == 2 and "BEARING_RERANKER" in refused.stderr


def test_an_explained_hit_tells_of_its_other_passages(tmp_path: Path) -> None:
    """Of a book, which is one document: each with its cosine and its page, the best first."""
    pages = ["fox " * 400, "bear and fox " * 120, "nothing " * 400]
    book = {"id": "book", "text": "\f".join(pages), "format": "pdf", "pages": 3}
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", json.dumps(book)))
    shown = call(tmp_path, "search", "bear", "--explain", "--mode", "dense").stdout.split()
    first, *others = " ".join(shown).split(" also ")
    assert "page 2" in first
    assert len(others) == 2
    (hit,) = json.loads(call(tmp_path, "search", "bear", "--explain", "--json").stdout)["hits"]
    passages = hit["explanation"]["passages"]
    for line, passage in zip(others, passages[1:], strict=True):
        assert line.startswith(f"{passage['score']:.4f}, page {passage['page']}: ")


def test_the_version_is_that_of_these_sources(tmp_path: Path) -> None:
    """It is told alone, also where a command follows, and nothing is opened for it."""
    for words in (["--version"], ["--version", "stats"]):
        done = call(tmp_path, *words)
        assert (done.exit_code, done.stdout) == (0, f"bearing {version()}\n")
    assert list(tmp_path.iterdir()) == []


def every_command(group: TyperGroup, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of a group and of what is in it."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from every_command(command, *above, name)
        else:
            yield *above, name


def test_every_command_is_explained_by_h_too(tmp_path: Path) -> None:
    """``-h`` says what ``--help`` does."""
    every = list(every_command(bearing()))
    assert len(every) > 30
    for words in every:
        command: TyperGroup | TyperCommand = bearing()
        context = command.make_context("bearing", [], resilient_parsing=True)
        for word in words:
            assert isinstance(command, TyperGroup)
            command = command.commands[word]
            context = command.make_context(word, [], parent=context, resilient_parsing=True)
        assert set(command.get_help_option_names(context)) == {"-h", "--help"}, words
    for words in ((), ("documents", "list")):
        long, short = call(tmp_path, *words, "--help"), call(tmp_path, *words, "-h")
        assert short.exit_code == 0
        assert "Usage:" in short.stdout
        assert short.stdout == long.stdout


def test_the_same_command_again_embeds_nothing(tmp_path: Path) -> None:
    """What is stored and unchanged is counted as such, and the exit code is 0."""
    given = write_lines(tmp_path / "a.jsonl", GOOD)
    call(tmp_path, "index", given)
    done = call(tmp_path, "index", given, "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["written"], answer["unchanged"]) == (0, 0, 1)


def test_another_model_is_refused_with_both_names(tmp_path: Path) -> None:
    """A collection says what filled it, and what was offered instead."""
    given = write_lines(tmp_path / "a.jsonl", GOOD)
    call(tmp_path, "index", given)
    done = call(tmp_path, "index", given, "--model", "hashing-128", "--json")
    assert done.exit_code == 1
    assert "'hashing-256'" in json.loads(done.stdout)["error"]
    assert "'hashing-128'" in json.loads(done.stdout)["error"]


def test_an_option_before_a_command_of_collections_is_refused(tmp_path: Path) -> None:
    """It would be that of ``collections`` itself, and have no effect."""
    done = call(tmp_path, "collections", "--data", str(tmp_path), "list")
    assert done.exit_code == 2
    assert "give options after 'list'" in done.stderr


def test_the_environment_reaches_the_commands_of_collections(tmp_path: Path) -> None:
    """BEARING_DATA is no option before the command."""
    call(tmp_path, "collections", "create", "one")
    listed = json.loads(call(tmp_path, "collections", "list", "--json").stdout)
    assert [one["name"] for one in listed["collections"]] == ["one"]


def test_nothing_is_deleted_without_a_yes(tmp_path: Path) -> None:
    """Where nobody can be asked, --yes is needed."""
    call(tmp_path, "collections", "create", "one")
    assert call(tmp_path, "collections", "delete", "one").exit_code == 2
    assert call(tmp_path, "stats", "--collection", "one").exit_code == 0
    assert call(tmp_path, "collections", "delete", "one", "--yes").exit_code == 0
    assert call(tmp_path, "stats", "--collection", "one").exit_code == 1


def test_a_collection_is_verified_backed_up_and_restored(tmp_path: Path) -> None:
    """The commands say what they did; what is restored is found by a search."""
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", GOOD))
    file = str(tmp_path / "b.tar")
    made = json.loads(call(tmp_path, "backup", file, "--json").stdout)
    assert (made["collection"], made["documents"]) == ("default", 1)
    again = call(tmp_path, "backup", file, "--json")
    assert again.exit_code == 1
    assert "already" in json.loads(again.stdout)["error"]
    assert call(tmp_path, "restore", file).exit_code == 1
    assert call(tmp_path, "restore", file, "--collection", "copy").exit_code == 0
    found = call(tmp_path, "search", "direction", "--collection", "copy", "--json")
    assert [hit["id"] for hit in json.loads(found.stdout)["hits"]] == ["a"]
    told = json.loads(call(tmp_path, "verify", "--collection", "copy", "--json").stdout)
    assert (told["sound"], told["findings"], told["documents"]) == (True, [], 1)
    assert "hashing-256" in told["model"]


def test_collections_in_a_folder_need_no_upgrade(tmp_path: Path) -> None:
    """The command says so, with their names."""
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", GOOD))
    told = json.loads(call(tmp_path, "upgrade", "--json").stdout)
    assert told == {"collections": ["default"], "upgraded": []}
    assert "none had to be" in call(tmp_path, "upgrade").stdout


def test_what_is_restored_has_the_name_that_it_was_backed_up_by(tmp_path: Path) -> None:
    """Unless another is given; whichever collection commands act on otherwise."""
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", GOOD), "--collection", "poems")
    file = str(tmp_path / "b.tar")
    call(tmp_path, "backup", file, "--collection", "poems")
    call(tmp_path, "collections", "delete", "poems", "--yes")
    settings = {"BEARING_DATA": str(tmp_path / "data"), "BEARING_COLLECTION": "notes"}
    done = run_bearing(["restore", file], env=settings)
    assert "to 'poems'" in done.stdout
    told = json.loads(call(tmp_path, "collections", "--json").stdout)
    assert [one["name"] for one in told["collections"]] == ["poems"]


@pytest.mark.parametrize("name", ["../poems", "", "a/b"])
def test_a_backup_is_restored_within_the_data_directory_alone(tmp_path: Path, name: str) -> None:
    """A name that no collection has is refused, and leaves nothing."""
    manifest = Manifest(FORMAT, name, "hashing", 0, 0, ())
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest.encode())
        archive.addfile(entry, io.BytesIO(manifest.encode()))
    done = call(tmp_path, "restore", str(tmp_path / "b.tar"))
    assert done.exit_code == 1
    assert "names no collection" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"b.tar", "data"}


def test_verify_ends_with_1_if_anything_is_wrong(tmp_path: Path) -> None:
    """Also for a collection that is too damaged to be opened; each finding says what to do."""
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", GOOD))
    (vectors,) = (tmp_path / "data").rglob("vectors.f32")
    vectors.write_bytes(vectors.read_bytes()[:-1])
    assert call(tmp_path, "stats").exit_code == 1
    done = call(tmp_path, "verify")
    assert done.exit_code == 1
    assert "generations/1/vectors.f32: it ends before" in done.stdout
    assert "do: restore the collection from a backup" in done.stdout
    told = json.loads(call(tmp_path, "verify", "--no-model", "--json").stdout)
    assert (told["sound"], told["model"], len(told["findings"])) == (False, "not checked", 1)


def test_a_recall_says_of_how_many_hits_it_is(tmp_path: Path) -> None:
    """What is shown names its k, for each that was measured; exact search has none."""
    lines = [f'{{"id": "{i}", "text": "number {i} of {i % 9}"}}' for i in range(1500)]
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", *lines))
    assert "recall@" not in call(tmp_path, "stats").stdout
    built = call(tmp_path, "rebuild", "--kind", "scan", "--target-recall", "0.9").stdout
    for shown in (built, call(tmp_path, "stats").stdout):
        names = {line.split()[0] for line in shown.splitlines()}
        assert {"recall@10", "recall@100", "recall@1000", "target_recall@10"} <= names
        assert {"filtered_recall@10", "filtered_recall@1000_interval"} <= names
        assert not {"recall", "target_recall", "recall_k"} & names
        assert "bands" not in " ".join(names)
    index = json.loads(call(tmp_path, "stats", "--json").stdout)["index"]
    assert index["recall_k"] == 10
    assert {"recall", "recall_interval", "filtered"} <= index["bands"]["100"].keys()
    assert {"recall", "target_recall", "watched_recall"} <= index.keys()
    assert "recall@10" in call(tmp_path, "rebuild", "--help").stdout


def test_rebuild_chooses_an_index_for_good(tmp_path: Path) -> None:
    """The kind that was chosen is kept when nothing is chosen later; a wrong recall is refused."""
    lines = [f'{{"id": "{i}", "text": "number {i} of {i % 9}"}}' for i in range(1500)]
    call(tmp_path, "index", write_lines(tmp_path / "a.jsonl", *lines))
    built = call(tmp_path, "rebuild", "--kind", "scan", "--target-recall", "0.9", "--json")
    index = json.loads(built.stdout)["index"]
    assert (index["kind"], index["rows"], index["target_recall"]) == ("scan", 1500, 0.9)
    assert json.loads(call(tmp_path, "rebuild", "--json").stdout)["index"]["kind"] == "scan"
    assert call(tmp_path, "rebuild", "--kind", "exact").exit_code == 0
    assert json.loads(call(tmp_path, "stats", "--json").stdout)["index"]["kind"] == "exact"
    assert call(tmp_path, "rebuild", "--target-recall", "1").exit_code == 2
