"""The statistics against cases worked out by hand, and against scipy's permutation test (scikit-learn brings scipy)."""

import numpy as np
import pytest

from nnhw.study.statistics import bootstrap_interval, holm, sign_flip_p


class TestSignFlip:
    def test_counts_every_pattern_of_three_ones(self):
        # Sums of +-1 +-1 +-1: 3 and -3 once each of 8.
        assert sign_flip_p(np.array([1, 1, 1])) == 2 / 8

    def test_counts_sums_at_least_as_far_out(self):
        # +-1 +-2 +-4: every odd number from -7 to 7 once of 8; found 1 - 2 + 4 = 3, so +-3, +-5, +-7.
        assert sign_flip_p(np.array([1, -2, 4])) == 6 / 8

    def test_ignores_zeros_and_scale(self):
        assert sign_flip_p(np.array([0, 6, 0, -12, 24])) == 6 / 8

    def test_is_one_without_any_difference(self):
        assert sign_flip_p(np.zeros(9, np.int64)) == 1.0
        assert sign_flip_p(np.array([2, -2])) == 1.0

    def test_is_the_sign_test_for_400_ones(self):
        # 62 wins and no loss: 2 / 2^62.
        differences = np.zeros(400, np.int64)
        differences[:62] = 1
        assert sign_flip_p(differences) == pytest.approx(2.0**-61)

    def test_agrees_with_scipy(self):
        stats = pytest.importorskip("scipy.stats")
        differences = np.random.default_rng(3).integers(-3, 5, size=12)
        found = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        assert sign_flip_p(differences) == pytest.approx(found.pvalue, abs=1e-12)


class TestHolm:
    def test_multiplies_by_how_many_are_left(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])

    def test_never_exceeds_one_nor_falls(self):
        assert holm([0.5, 0.9, 0.4]) == pytest.approx([1.0, 1.0, 1.0])
        assert holm([]) == []


class TestBootstrap:
    def test_of_equal_differences_is_a_point(self):
        assert bootstrap_interval(np.full(20, 3), seed=0) == (3.0, 3.0)

    def test_matches_the_binomial_quantiles(self):
        # The mean of n resampled 0/1 values is binomial; n = 100, half ones: 40 and 60 are its 2.5 and 97.5 % points.
        differences = np.repeat([0, 1], 50)
        assert bootstrap_interval(differences, seed=1) == (0.40, 0.60)

    def test_repeats_with_its_seed(self):
        differences = np.random.default_rng(0).integers(-5, 6, size=30)
        assert bootstrap_interval(differences, seed=4) == bootstrap_interval(differences, seed=4)
        assert bootstrap_interval(differences, seed=4) != bootstrap_interval(differences, seed=5)
