"""Vectors and models made up for tests, and what a service under test tells of itself."""

from __future__ import annotations

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from indexer.documents import Vectors, normalise
from indexer.embedding.embedder import CANARIES, Identity
from indexer.ranking.calibration import Calibration, Curve, Errors
from indexer.ranking.null_queries import null_queries

DIMENSION = 16


def make_identity(dimension: int = DIMENSION, name: str = "test-model") -> Identity:
    """The identity of a model that exists only as vectors."""
    canaries = random_units(len(CANARIES), dimension, seed=99)
    return Identity(name, "w" * 64, "s" * 64, dimension, 256, "mean", {}, canaries)


def random_units(count: int, dimension: int = DIMENSION, seed: int = 0) -> Vectors:
    """(count, dimension) float32 rows of unit length, in random directions."""
    return normalise(np.random.default_rng(seed).normal(size=(count, dimension)))


def make_null_vectors(identity: Identity) -> Vectors:
    """Random vectors for the null queries, by a model that exists only as vectors."""
    return random_units(len(null_queries()), identity.dimension, seed=98)


def read_metrics(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


LEARNED = Calibration(
    "dense",
    make_identity().fingerprint,
    Curve(1.0, 0.0, 0.0, (-1.0, 1.0), (0.0, 1.0)),
    0.05,
    Errors(0.01, 0.01, 0.1, 0.3, 0.2),
    30,
    3_000,
    "set",
)
"""What may be learned of rankings by the model of make_identity."""
