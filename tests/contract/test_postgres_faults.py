"""What goes wrong in a database: a full disk, tables of others, a standby; nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engines import open_catalogue
from indexer.errors import OtherFormat, StorageFailed
from indexer.index_choice import Language
from indexer.postgres.failures import failure
from indexer.queries import Query


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few megabytes that the server can write to."""
    mount = Path(tempfile.mkdtemp(prefix="bearing-small-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "bearing-test", mount]
    made = subprocess.run(command, capture_output=True)
    if made.returncode:
        shutil.rmtree(mount)
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.decode().strip()}")
    place = mount / "space"
    place.mkdir()
    shutil.chown(place, "nobody", "nogroup")
    yield place
    subprocess.run(["umount", "--lazy", mount], check=True)
    mount.rmdir()


def of_noise(number: int) -> EmbeddedDocument:
    """A document of 50 KB that cannot be compressed."""
    text = np.random.default_rng(number).bytes(25_000).hex()
    return EmbeddedDocument(
        Document(f"d{number}", text), (Chunk(0, 0, 9),), random_units(1, seed=number)
    )


def test_a_full_disk_of_the_server_loses_nothing(empty_database: str, small_disk: Path) -> None:
    """Writes fail with what to do, and searches go on; with space again, so do writes."""
    name = empty_database.rpartition("/")[2]
    first = open_catalogue(empty_database)  # the list of collections is to be elsewhere
    first.create("things", make_identity(), Language.ENGLISH)
    first.delete("things")
    first.close()
    with psycopg.connect(empty_database, autocommit=True) as other:
        other.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
        other.execute(f"ALTER DATABASE {name} SET default_tablespace = small")
        catalogue = open_catalogue(empty_database)
        try:
            ballast = small_disk / "ballast"
            ballast.write_bytes(bytes(1 << 20))
            catalogue.create("things", make_identity(), Language.ENGLISH)
            with Collection(catalogue.open("things")) as collection:
                written = 0
                with pytest.raises(StorageFailed, match=r"no space left.*give the server's disk"):
                    while written < 100:
                        collection.put([of_noise(written)])
                        written += 1
                found = collection.search([Query(vector=random_units(1)[0], k=100)])[0].hits
                assert len(found) == collection.describe().documents == written
                ballast.unlink()
                collection.put([of_noise(written)])
            found_sound = catalogue.verify("things", None, lambda _: None)
            assert found_sound.sound and found_sound.documents == written + 1
        finally:
            catalogue.delete("things")
            catalogue.close()
            other.execute(f"ALTER DATABASE {name} RESET default_tablespace")
            other.execute("DROP TABLESPACE small")


def test_tables_of_others_are_told(database: str) -> None:
    """With the place, and left as they are."""
    server = database.rpartition("/")[0]
    with psycopg.connect(database, autocommit=True) as one:
        one.execute("DROP DATABASE IF EXISTS strange")
        one.execute("CREATE DATABASE strange")
    with psycopg.connect(f"{server}/strange", autocommit=True) as one:
        one.execute("CREATE EXTENSION vector")
        one.execute("CREATE SCHEMA bearing; CREATE TABLE bearing.collection(title text)")
    catalogue = open_catalogue(f"{server}/strange")
    for attempt in (
        catalogue.names,
        lambda: catalogue.create("things", make_identity(), Language.ENGLISH),
    ):
        with pytest.raises(OtherFormat, match="/strange has other tables"):
            attempt()
    catalogue.close()
    with psycopg.connect(database, autocommit=True) as one:
        one.execute("DROP DATABASE strange")


def test_a_standby_that_is_written_to_is_told() -> None:
    """With the way to name the primary."""
    told = failure(psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "postgresql://h")
    assert isinstance(told, StorageFailed)
    assert "postgresql://h is a standby" in str(told) and "name the primary" in str(told)
