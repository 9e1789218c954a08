"""Clusters of pictures without captions are named by what their files say."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.analysis.map_layout import regrouped
from indexer.analysis.picture_names import names_in, told_by_camera
from indexer.documents import Document
from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.pictures import Picture


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("holiday-2019/dog_beach 01.jpg", "holiday dog beach"),
        ("photos/IMG_2034.JPG", ""),
        ("a1b2c3d4e5f6.png", ""),
        ("Häuser am See.heic", "Häuser am See"),
        ("photos.zip/roof.garden.webp", "zip roof garden"),
    ],
)
def test_a_name_gives_its_words(id: str, words: str) -> None:
    """Folders and names count; numbers, suffixes and what cameras begin names with do not."""
    assert names_in(id) == words


def test_a_camera_and_a_month_are_one_word_each() -> None:
    """As they are written; what is no moment says nothing."""
    told = dict(told_by_camera({"camera": "Box One", "taken": "2024-03-01T09:30:00"}))
    assert list(told.values()) == ["Box One", "March 2024"]
    assert dict(told_by_camera({"camera": 3, "taken": "soon"})) == {}


def test_clusters_of_pictures_have_the_words_of_their_names() -> None:
    """A caption stands for a picture where it has one; the name, camera and month where not."""
    pictures = {}
    for number in range(40):
        folder, camera = ("alps", "Box One") if number < 20 else ("sea", "Reflex 5")
        caption = "a lighthouse" if number >= 30 else ""
        metadata = {"camera": camera, "taken": "2024-07-01T00:00:00"}
        picture = Picture("image/jpeg", 40, 30, 1, f"{number:064x}")
        id = f"photos/{folder}/IMG_{number}.jpg"
        pictures[number] = Document(id, caption, None, metadata, picture)
    places = np.array([[-0.9, -0.9]] * 20 + [[0.9, 0.9]] * 20, np.float32)
    places += np.random.default_rng(0).normal(0, 0.01, places.shape).astype(np.float32)
    clusters, labels = regrouped(
        np.arange(40),
        places,
        Analyzer(Language.ENGLISH),
        lambda some: {number: pictures[number] for number in some},
    )
    words = [set(labels[cluster].words) for cluster in (clusters[0], clusters[25], clusters[35])]
    assert {"alps", "Box One"} <= words[0]
    assert {"lighthouse"} <= words[1] | words[2]
    assert {"sea", "Reflex 5"} & (words[1] | words[2])
