"""The pairwise measures and contrastive losses, against SciPy, scikit-learn and PyTorch."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own custom
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist
from scipy.special import softmax as scipy_softmax
from sklearn.covariance import ledoit_wolf
from tries import tries

from indexer.errors import InvalidInput, InvalidVector
from indexer.similarity import (
    LEAST_SHRINKAGE,
    PAIRWISE,
    Matrix,
    Measure,
    cosine,
    cosine_distance,
    cosine_distance_loss,
    covariance,
    dot,
    euclidean,
    info_nce,
    mahalanobis,
    manhattan,
    negative_squared_euclidean,
    pairwise,
    softmax,
    symmetric_cross_entropy,
)

ORACLES: dict[Measure, Callable[[Matrix, Matrix], Matrix]] = {
    Measure.COSINE: lambda a, b: 1.0 - cdist(a, b, "cosine"),
    Measure.COSINE_DISTANCE: lambda a, b: cdist(a, b, "cosine"),
    Measure.DOT: lambda a, b: np.array([[math.fsum(x * y) for y in b] for x in a]),
    Measure.EUCLIDEAN: lambda a, b: cdist(a, b, "euclidean"),
    Measure.MANHATTAN: lambda a, b: cdist(a, b, "cityblock"),
    Measure.NEGATIVE_SQUARED_EUCLIDEAN: lambda a, b: -cdist(a, b, "sqeuclidean"),
}
SYMMETRIC = sorted(Measure)
TEMPERATURES = [10.0, 1.0, 0.07, 1e-2, 1e-4, 1e-8]


def draw(*shape: int, seed: int = 0) -> Matrix:
    """Normal numbers, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape)


def measured(measure: Measure, a: Matrix, b: Matrix, **options: int) -> Matrix:
    """A measure by name, with samples where it needs them."""
    return pairwise(measure, a, b, samples=draw(40, a.shape[1], seed=9), **options)


numbers = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-3 else x)


@st.composite
def sides(draw_: st.DrawFn, nonzero: bool = True) -> tuple[Matrix, Matrix]:
    """Two small matrices of one dimension, by default without zero rows."""
    dimension = draw_(st.integers(1, 6))
    shapes = [(draw_(st.integers(1, 5)), dimension) for _ in range(2)]
    left, right = (draw_(hnp.arrays(np.float64, shape, elements=numbers)) for shape in shapes)
    if nonzero:
        for rows in (left, right):
            rows[~rows.any(axis=1), 0] = 1.0
    return left, right


class TestPairwise:
    """Each measure of each pair of rows."""

    @pytest.mark.parametrize("measure", sorted(PAIRWISE))
    @pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (40, 30, 384)])
    def test_equals_scipy(self, measure: Measure, shape: tuple[int, int, int]) -> None:
        """Every measure agrees with SciPy's to rounding."""
        a, b = draw(shape[0], shape[2]), draw(shape[1], shape[2], seed=1)
        np.testing.assert_allclose(
            pairwise(measure, a, b), ORACLES[measure](a, b), rtol=1e-12, atol=1e-13
        )

    @given(sides())
    @settings(deadline=None)
    def test_equals_scipy_on_any_input(self, pair: tuple[Matrix, Matrix]) -> None:
        """Agreement holds for repeated, sparse, equal and opposite rows too."""
        for measure, oracle in ORACLES.items():
            expected = oracle(*pair)
            np.testing.assert_allclose(
                pairwise(measure, *pair), expected, rtol=1e-9, atol=1e-9, err_msg=measure
            )

    def test_every_measure_is_offered(self) -> None:
        """The table and mahalanobis together are all names of Measure."""
        assert {*PAIRWISE, Measure.MAHALANOBIS} == set(Measure)

    def test_magnitude_counts_as_given(self) -> None:
        """Float32 input is measured in float64, unnormalised, and is not changed."""
        a = np.array([[3.0, 4.0]], dtype=np.float32)
        before = a.copy()
        assert dot(a, [[2.0, 0.0]]) == [[6.0]]
        assert euclidean(a, [[0.0, 0.0]]) == [[5.0]]
        assert manhattan(a, [[0.0, 0.0]]) == [[7.0]]
        assert negative_squared_euclidean(a, [[0.0, 0.0]]) == [[-25.0]]
        assert cosine(a, [[30.0, 40.0]]).dtype == np.float64
        np.testing.assert_array_equal(a, before)

    @given(sides())
    @settings(deadline=None)
    def test_cosines_are_within_bounds(self, pair: tuple[Matrix, Matrix]) -> None:
        """Rounding never leaves a cosine outside [-1, 1] or a distance outside [0, 2]."""
        a = np.vstack([*pair, -pair[0], pair[1] * 3])
        similarity, distance = cosine(a, a), cosine_distance(a, a)
        assert similarity.min() >= -1.0
        assert similarity.max() <= 1.0
        assert distance.min() >= 0.0
        assert distance.max() <= 2.0

    @given(sides(), st.sampled_from(SYMMETRIC))
    @settings(deadline=None)
    def test_sides_may_be_swapped(self, pair: tuple[Matrix, Matrix], measure: Measure) -> None:
        """Every measure is symmetric."""
        a, b = pair
        np.testing.assert_allclose(
            measured(measure, a, b), measured(measure, b, a).T, rtol=1e-9, atol=1e-9
        )

    @given(sides(nonzero=False))
    @settings(deadline=None)
    def test_a_row_is_at_no_distance_from_itself(self, pair: tuple[Matrix, Matrix]) -> None:
        """Distances of equal rows are exactly 0, without what an expanded square would leave."""
        for measure in (
            Measure.EUCLIDEAN,
            Measure.MANHATTAN,
            Measure.MAHALANOBIS,
            Measure.NEGATIVE_SQUARED_EUCLIDEAN,
        ):
            itself = np.diag(measured(measure, pair[0], pair[0]))
            assert not itself.any()
            assert not np.signbit(itself).any()

    @given(sides(), st.floats(1e-200, 1e200), st.floats(1e-200, 1e200))
    @settings(deadline=None)
    def test_cosine_ignores_length(
        self, pair: tuple[Matrix, Matrix], first: float, second: float
    ) -> None:
        """Scaling either side leaves cosines as they are, however long or short it gets."""
        a, b = pair
        np.testing.assert_allclose(cosine(a * first, b * second), cosine(a, b), atol=1e-12)

    @given(st.integers(0, 2**32 - 1))
    @settings(deadline=None, max_examples=tries(15))
    def test_negative_squared_euclidean_ranks_as_cosine(self, seed: int) -> None:
        """On unit vectors it is 2 (cos - 1), so both rank alike."""
        a, b = draw(4, 8, seed=seed), draw(20, 8, seed=seed + 1)
        a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
        similarity, negative = cosine(a, b), negative_squared_euclidean(a, b)
        np.testing.assert_allclose(negative, 2 * (similarity - 1), atol=1e-14)
        np.testing.assert_array_equal(np.argsort(-similarity), np.argsort(-negative))

    @pytest.mark.parametrize("measure", sorted(Measure))
    @pytest.mark.parametrize("block", [1, 7, 64, 10**6])
    def test_blocks_do_not_show(self, measure: Measure, block: int) -> None:
        """The result is the same for every block size, also where tiles do not divide evenly."""
        a, b = draw(13, 5), draw(11, 5, seed=1)
        np.testing.assert_allclose(
            measured(measure, a, b, block=block), measured(measure, a, b), rtol=1e-12, atol=1e-14
        )

    @pytest.mark.parametrize("measure", sorted(Measure))
    def test_memory_is_bounded_by_the_block(self, measure: Measure) -> None:
        """Beyond result and inputs a few blocks are held, not all (n, m, d) differences."""
        a = draw(300, 64)
        result, inputs, block = 300 * 300 * 8, 3 * 2 * a.nbytes, 4096
        tracemalloc.start()
        try:
            measured(measure, a, a, block=block)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < result + inputs + 10 * block * 8 + 500_000
        assert result + inputs + 10 * block * 8 + 500_000 < 300 * 300 * 64 * 8 / 10

    @pytest.mark.parametrize("measure", sorted(Measure))
    def test_no_rows_give_an_empty_matrix(self, measure: Measure) -> None:
        """Either side may be empty."""
        assert measured(measure, np.empty((0, 3)), draw(2, 3)).shape == (0, 2)
        assert measured(measure, draw(2, 3), np.empty((0, 3))).shape == (2, 0)


class TestMagnitudes:
    """Numbers near the ends of float64."""

    @pytest.mark.parametrize("scale", [1e200, 1e-200, 1e-310])
    def test_cosine_neither_overflows_nor_vanishes(self, scale: float) -> None:
        """Directions are told apart though squares would be infinite or 0."""
        rows = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]) * scale
        half = math.sqrt(0.5)
        expected = [[1, half, -1], [half, 1, -half], [-1, -half, 1]]
        np.testing.assert_allclose(cosine(rows, rows), expected, rtol=1e-12)

    @pytest.mark.parametrize("scale", [1e200, 1e-200])
    def test_distances_scale_with_their_input(self, scale: float) -> None:
        """Lengths far beyond the root of float64's range are still right."""
        a, b = np.array([[3.0, 0.0]]) * scale, np.array([[0.0, 4.0]]) * scale
        np.testing.assert_allclose(euclidean(a, b), [[5 * scale]], rtol=1e-14)
        np.testing.assert_allclose(manhattan(a, b), [[7 * scale]], rtol=1e-14)

    def test_near_and_far_pairs_mix(self) -> None:
        """A huge row does not cost a tiny pair its distance."""
        rows = np.array([[1e200, 0.0], [3e-200, 0.0], [0.0, 4e-200]])
        assert euclidean(rows, rows)[1, 2] == pytest.approx(5e-200, rel=1e-14)

    def test_dot_overflows_only_in_its_result(self) -> None:
        """Products beyond float64 that cancel, and factors far apart, give the true sum."""
        assert dot([[1e200, 1e200]], [[1e200, -1e200]]) == [[0.0]]
        np.testing.assert_allclose(dot([[1e300, 0.0]], [[1e-300, 1e-300]]), [[1.0]], rtol=1e-14)

    @pytest.mark.parametrize(
        ("measure", "size", "harmless"),
        [
            (Measure.DOT, 1e200, 0.0),
            (Measure.NEGATIVE_SQUARED_EUCLIDEAN, 1e200, 1e200),
            (Measure.EUCLIDEAN, 1.7e308, 1.7e308),
            (Measure.MANHATTAN, 1.7e308, 1.7e308),
        ],
    )
    def test_a_result_beyond_float64_is_refused(
        self, measure: Measure, size: float, harmless: float
    ) -> None:
        """Infinity is never returned: the pair is named."""
        a, b = [[size, 0.0]], [[harmless, 0.0], [harmless, 0.0], [-size, 0.0]]
        assert pairwise(measure, a, b[:2]).tolist() == [[0.0, 0.0]]
        with pytest.raises(InvalidVector, match=rf"{measure} of a\[0\] and b\[2\]"):
            pairwise(measure, a, b, block=2)

    def test_near_vectors_keep_their_distance(self) -> None:
        """Differences are taken first, so rows that agree in 12 digits are told apart exactly."""
        assert euclidean([[1.0, 1.0]], [[1.0, 1.0 + 2.0**-40]]) == [[2.0**-40]]


class TestRefusals:
    """What cannot be measured is named."""

    def test_zero_vectors(self) -> None:
        """Measures of direction name the side and index of a zero vector; others take it."""
        zero = np.array([[1.0, 2.0], [0.0, -0.0]])
        for measure in (cosine, cosine_distance):
            with pytest.raises(InvalidVector, match=r"a\[1\] is the zero vector"):
                measure(zero, zero[:1])
            with pytest.raises(InvalidVector, match=r"b\[1\] is the zero vector"):
                measure(zero[:1], zero)
        assert euclidean(zero[1:], zero[:1]) == [[math.sqrt(5)]]
        assert dot(zero[1:], zero[:1]) == [[0.0]]

    @pytest.mark.parametrize("measure", sorted(Measure))
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_numbers_that_are_not_finite(self, measure: Measure, bad: float) -> None:
        """NaN and infinity are refused with side and index."""
        good = np.ones((3, 2))
        broken = good.copy()
        broken[2, 1] = bad
        with pytest.raises(InvalidVector, match=r"a\[2\] is not finite"):
            measured(measure, broken, good)
        with pytest.raises(InvalidVector, match=r"b\[2\] is not finite"):
            measured(measure, good, broken)

    @pytest.mark.parametrize("measure", sorted(PAIRWISE))
    def test_dimensions_that_differ(self, measure: Measure) -> None:
        """Both dimensions are named."""
        with pytest.raises(InvalidVector, match=r"dimension 3 and b of 4"):
            pairwise(measure, np.ones((1, 3)), np.ones((1, 4)))

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 2), ()])
    def test_shapes_that_are_not_rows(self, shape: tuple[int, ...]) -> None:
        """Only (n, d) is taken."""
        with pytest.raises(InvalidVector, match="must be rows of vectors"):
            cosine(np.ones(shape), np.ones((1, 2)))

    def test_lists_that_are_no_matrix(self) -> None:
        """Ragged rows and words are refused as vectors, not as a NumPy error."""
        with pytest.raises(InvalidVector, match="a is not a list of vectors of one dimension"):
            cosine([[1.0], [1.0, 2.0]], [[1.0]])  # type: ignore[list-item]
        with pytest.raises(InvalidVector, match="b is not a list of vectors"):
            cosine([[1.0]], [["one"]])

    def test_a_block_of_nothing(self) -> None:
        """A block holds at least one number."""
        with pytest.raises(InvalidInput, match="block must be at least 1, got 0"):
            dot([[1.0]], [[1.0]], block=0)

    def test_mahalanobis_without_samples(self) -> None:
        """Its covariance must come from somewhere."""
        with pytest.raises(InvalidInput, match="needs samples"):
            pairwise(Measure.MAHALANOBIS, [[1.0]], [[1.0]])
        with pytest.raises(InvalidInput, match="at least one sample"):
            mahalanobis([[1.0]], [[1.0]], np.empty((0, 1)))

    def test_samples_of_another_dimension(self) -> None:
        """The samples must have the vectors' dimension."""
        with pytest.raises(InvalidVector, match="dimension 2 and the samples of 3"):
            mahalanobis(np.ones((1, 2)), np.ones((1, 2)), np.ones((4, 3)))


class TestMahalanobis:
    """Distances by the covariance of samples."""

    @pytest.mark.parametrize(("count", "dimension"), [(500, 6), (50, 20), (20, 50), (3, 64)])
    def test_equals_scipy_with_scikit_learns_covariance(self, count: int, dimension: int) -> None:
        """SciPy's distance by the inverse of scikit-learn's Ledoit-Wolf estimate is the same."""
        samples = draw(count, dimension) @ draw(dimension, dimension, seed=1) + 3.0
        a, b = draw(5, dimension, seed=2), draw(4, dimension, seed=3)
        expected, shrinkage = ledoit_wolf(samples)
        assert shrinkage > LEAST_SHRINKAGE
        found = covariance(samples)
        assert found.shrinkage == pytest.approx(shrinkage, rel=1e-9)
        np.testing.assert_allclose(np.ldexp(found.matrix, 2 * found.exponent), expected, rtol=1e-9)
        np.testing.assert_allclose(
            mahalanobis(a, b, samples),
            cdist(a, b, "mahalanobis", VI=np.linalg.inv(expected)),
            rtol=1e-8,
        )

    def test_two_samples_are_enough(self) -> None:
        """Where the estimate would not shrink at all, the least shrinkage keeps it invertible."""
        samples = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
        assert ledoit_wolf(samples)[1] == 0.0
        assert covariance(samples).shrinkage == LEAST_SHRINKAGE
        along, across = mahalanobis([[0.0, 0.0, 0.0]], np.eye(3)[:2], samples)[0]
        assert along == pytest.approx(1.0, rel=1e-5)
        assert across == pytest.approx(1 / math.sqrt(LEAST_SHRINKAGE / 3), rel=1e-5)

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_samples_without_spread_mean_euclidean(self, count: int) -> None:
        """One sample, or equal ones, leave the Euclidean distance."""
        samples = np.tile(draw(1, 4, seed=5) / 3, (count, 1))
        a, b = draw(3, 4), draw(2, 4, seed=1)
        np.testing.assert_allclose(mahalanobis(a, b, samples), cdist(a, b), rtol=1e-12)

    @pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e150, 1e200])
    def test_units_do_not_matter(self, scale: float) -> None:
        """Samples and vectors in another unit give the same distances, however extreme."""
        samples, a, b = draw(30, 4), draw(3, 4, seed=1), draw(2, 4, seed=2)
        np.testing.assert_allclose(
            mahalanobis(a * scale, b * scale, samples * scale),
            mahalanobis(a, b, samples),
            rtol=1e-9,
        )

    def test_where_the_samples_lie_does_not_matter(self) -> None:
        """Moving everything by one offset changes nothing but rounding."""
        samples, a, b = draw(30, 4), draw(3, 4, seed=1), draw(2, 4, seed=2)
        np.testing.assert_allclose(
            mahalanobis(a + 1e4, b + 1e4, samples + 1e4), mahalanobis(a, b, samples), rtol=1e-9
        )


class TestSoftmax:
    """Probabilities from similarities."""

    @pytest.mark.parametrize("temperature", TEMPERATURES)
    def test_equals_scipy(self, temperature: float) -> None:
        """Each row is SciPy's softmax of similarity / temperature."""
        similarity = cosine(draw(6, 9), draw(8, 9, seed=1))
        np.testing.assert_allclose(
            softmax(similarity, temperature),
            scipy_softmax(similarity / temperature, axis=1),
            rtol=1e-9 + 1e-14 / temperature,
            atol=1e-300,
        )

    @given(
        hnp.arrays(np.float64, (3, 5), elements=st.floats(-1, 1)),
        st.floats(5e-324, 1e300, exclude_min=False),
    )
    @settings(deadline=None)
    def test_rows_sum_to_one(self, similarity: Matrix, temperature: float) -> None:
        """Rows are distributions that rank as the similarities, for any temperature."""
        shares = softmax(similarity, temperature)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
        assert shares.min() >= 0.0
        best = similarity == similarity.max(axis=1, keepdims=True)
        assert (shares[best] >= 1 / 5 - 1e-12).all()

    def test_ties_share_as_the_temperature_vanishes(self) -> None:
        """The limit is 1 for the best, in equal parts if several are best."""
        np.testing.assert_array_equal(
            softmax([[0.5, 0.2, 0.5], [0.1, 0.2, 0.3]], 1e-320), [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]
        )

    def test_an_empty_row_stays_empty(self) -> None:
        """No candidates, no probabilities."""
        assert softmax(np.empty((3, 0)), 1.0).shape == (3, 0)

    @pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
    def test_temperature_must_be_above_zero(self, temperature: float) -> None:
        """Zero, negative and non-finite temperatures are refused everywhere."""
        rows = np.eye(2)
        for compute in (
            lambda: softmax(rows, temperature),
            lambda: info_nce(rows, temperature),
            lambda: symmetric_cross_entropy(rows, rows, temperature),
        ):
            with pytest.raises(InvalidInput, match="temperature must be above 0"):
                compute()


def torch_info_nce(embeddings: Matrix, temperature: float) -> float:
    """NT-Xent by PyTorch's cross_entropy, the diagonal masked."""
    unit = F.normalize(torch.from_numpy(embeddings), dim=1)
    logits = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    return float(F.cross_entropy(logits, torch.arange(len(embeddings)) ^ 1))


def torch_clip(a: Matrix, b: Matrix, temperature: float) -> float:
    """CLIP's loss as its paper's figure 3 has it."""
    left, right = (F.normalize(torch.from_numpy(rows), dim=1) for rows in (a, b))
    logits, labels = left @ right.T / temperature, torch.arange(len(a))
    return float((F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2)


class TestLosses:
    """The objectives of contrastive learning."""

    @pytest.mark.parametrize("temperature", TEMPERATURES)
    @pytest.mark.parametrize("pairs", [1, 2, 17])
    def test_info_nce_equals_pytorch(self, pairs: int, temperature: float) -> None:
        """InfoNCE over pairs is PyTorch's cross-entropy of the masked cosines."""
        embeddings = draw(2 * pairs, 8) * 5
        assert info_nce(embeddings, temperature) == pytest.approx(
            torch_info_nce(embeddings, temperature), rel=1e-9, abs=1e-14 / temperature
        )

    @pytest.mark.parametrize("temperature", TEMPERATURES)
    @pytest.mark.parametrize("count", [1, 2, 17])
    def test_symmetric_cross_entropy_equals_pytorch(self, count: int, temperature: float) -> None:
        """The loss of two aligned sets is the mean of PyTorch's two cross-entropies."""
        a, b = draw(count, 8) * 5, draw(count, 8, seed=1)
        assert symmetric_cross_entropy(a, b, temperature) == pytest.approx(
            torch_clip(a, b, temperature), rel=1e-9, abs=1e-14 / temperature
        )

    def test_cosine_distance_loss_equals_pytorch(self) -> None:
        """The mean of 1 - cos is PyTorch's cosine embedding loss of positive pairs."""
        a, b = draw(20, 8) * 5, draw(20, 8, seed=1)
        expected = F.cosine_embedding_loss(*map(torch.from_numpy, (a, b)), torch.ones(20))
        assert cosine_distance_loss(a, b) == pytest.approx(float(expected), rel=1e-12)

    @pytest.mark.parametrize("block", [1, 30, 10**6])
    def test_blocks_do_not_show(self, block: int) -> None:
        """The losses are the same for every block size."""
        a, b = draw(10, 4), draw(10, 4, seed=1)
        assert info_nce(a, 0.1, block=block) == pytest.approx(info_nce(a, 0.1), rel=1e-12)
        assert symmetric_cross_entropy(a, b, 0.1, block=block) == pytest.approx(
            symmetric_cross_entropy(a, b, 0.1), rel=1e-12
        )

    @pytest.mark.parametrize("temperature", [1e-4, 1e-100, 1e-300])
    def test_found_partners_cost_nothing_at_tiny_temperatures(self, temperature: float) -> None:
        """Where every partner is the nearest row the loss is 0, never NaN."""
        axes = np.repeat(np.eye(3), 2, axis=0)
        assert info_nce(axes, temperature) == 0.0
        assert symmetric_cross_entropy(np.eye(3), np.eye(3), temperature) == 0.0

    @pytest.mark.parametrize("temperature", [1e-4, 1e-100, 1e-300])
    def test_missed_partners_cost_their_gap(self, temperature: float) -> None:
        """Where another row is nearer, the loss is the gap of cosines over the temperature."""
        rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        # Each partner is orthogonal, and one other row is equal: a gap of 1.
        assert info_nce(rows, temperature) == pytest.approx(1 / temperature, rel=1e-12)
        swapped = symmetric_cross_entropy(np.eye(2), np.eye(2)[::-1], temperature)
        assert swapped == pytest.approx(1 / temperature, rel=1e-12)

    def test_a_loss_beyond_float64_is_infinite(self) -> None:
        """At the very smallest temperatures a missed partner costs infinity, not NaN."""
        assert symmetric_cross_entropy(np.eye(2), np.eye(2)[::-1], 5e-324) == math.inf

    def test_collapsed_embeddings_cost_the_log_of_the_choices(self) -> None:
        """If all rows are equal, each partner is one of 2n - 1 (or n) at random."""
        same = np.ones((6, 4))
        assert info_nce(same, 1e-6) == pytest.approx(math.log(5), rel=1e-12)
        assert symmetric_cross_entropy(same, same, 1e-6) == pytest.approx(math.log(6), rel=1e-12)

    def test_pairs_must_be_whole(self) -> None:
        """An odd number of rows, or none, has no pairs."""
        for count in (0, 3):
            with pytest.raises(InvalidInput, match=f"even number of embeddings, got {count}"):
                info_nce(np.ones((count, 2)), 1.0)

    def test_aligned_sets_must_be_of_one_size(self) -> None:
        """Sets of different size, and empty ones, are refused."""
        for loss in (cosine_distance_loss, lambda a, b: symmetric_cross_entropy(a, b, 1.0)):
            with pytest.raises(InvalidInput, match="got 2 and 3"):
                loss(np.ones((2, 2)), np.ones((3, 2)))
            with pytest.raises(InvalidInput, match="got 0 and 0"):
                loss(np.ones((0, 2)), np.ones((0, 2)))

    def test_zero_vectors_are_named(self) -> None:
        """A zero row has no direction to learn from."""
        rows = np.array([[1.0, 0.0], [0.0, 0.0]])
        with pytest.raises(InvalidVector, match=r"embeddings\[1\] is the zero vector"):
            info_nce(rows, 1.0)
        with pytest.raises(InvalidVector, match=r"b\[1\] is the zero vector"):
            symmetric_cross_entropy(np.eye(2), rows, 1.0)
