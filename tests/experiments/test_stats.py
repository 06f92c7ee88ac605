"""Statistics against tables, against each other, and against what they must do by their meaning."""

import math
import random
import statistics

import pytest

from workbench.experiments import stats
from workbench.experiments.goals import goal_of, known

# Student's t, computed to 40 digits with an arbitrary-precision library.
QUANTILES = {
    0.95: {1: 6.31375151467504, 2: 2.91998558035373, 3: 2.35336343480182, 4: 2.13184678632665, 5: 2.01504837333302,
           10: 1.81246112281168, 30: 1.69726088659396, 120: 1.65765089935524, 2.5: 2.55821861413594,
           7.3: 1.88293001795643, 100000: 1.64486886478497},
    0.975: {1: 12.7062047361747, 2: 4.30265272974946, 3: 3.18244630528371, 4: 2.77644510519779, 5: 2.57058183563632,
            10: 2.22813885198627, 30: 2.04227245630124, 120: 1.97993040508244, 2.5: 3.57465484200368,
            7.3: 2.3450667365477, 100000: 1.95998770753461},
    0.995: {1: 63.6567411628716, 2: 9.92484320091829, 3: 5.84090930973336, 4: 4.60409487134999, 5: 4.03214298355523,
            10: 3.16927267261695, 30: 2.74999565356723, 120: 2.61742114510687, 2.5: 7.16372813894879,
            7.3: 3.45103165562219, 100000: 2.57587846990838},
    0.9995: {1: 636.61924876872, 2: 31.5990545764436, 3: 12.9239786366875, 4: 8.61030158137928, 5: 6.86882662588111,
             10: 4.58689385870264, 30: 3.64595863504202, 120: 3.3734537685625, 2.5: 18.2778935281306,
             7.3: 5.2832117589394, 100000: 3.29062403141188},
}  # fmt: skip


@pytest.mark.parametrize("p", QUANTILES)
def test_quantiles_of_t_agree_with_the_table_to_nine_digits(p: float) -> None:
    for df, value in QUANTILES[p].items():
        assert math.isclose(stats.t_quantile(p, df), value, rel_tol=1e-12)
        assert math.isclose(stats.t_quantile(1 - p, df), -value, rel_tol=1e-9)
        assert math.isclose(stats.t_tail(value, df), 1 - p, rel_tol=1e-9)


def test_the_tail_and_the_quantile_are_each_others_inverse_everywhere() -> None:
    chance = random.Random(5)
    for _ in range(300):
        df, p = 10 ** chance.uniform(0, 5), chance.uniform(1e-6, 1 - 1e-6)
        t = stats.t_quantile(p, df)
        assert math.isclose(1 - stats.t_tail(t, df), p, rel_tol=1e-9, abs_tol=1e-12)
        assert stats.t_tail(t, df) + stats.t_tail(-t, df) == pytest.approx(1, abs=1e-15)


def test_the_tail_in_closed_form_for_one_and_two_degrees() -> None:
    for t in (1e-9, 0.01, 0.5, 1.0, 3.7, 50.0, 1e6):
        assert math.isclose(stats.t_tail(t, 1), math.atan2(1, t) / math.pi, rel_tol=1e-12)
        root = math.sqrt(t * t + 2)
        assert math.isclose(stats.t_tail(t, 2), 1 / (root * (root + t)), rel_tol=1e-12)


def test_the_incomplete_beta_function_where_it_is_a_polynomial() -> None:
    for n, k, x in [(5, 2, 0.3), (40, 17, 0.41), (300, 150, 0.52), (12, 12, 0.9), (9, 1, 1e-4)]:
        binomial = math.fsum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(k, n + 1))
        assert math.isclose(stats.incomplete_beta(k, n - k + 1, x), binomial, rel_tol=1e-11)
    assert stats.incomplete_beta(2, 3, 0.0) == 0 and stats.incomplete_beta(2, 3, 1.0) == 1
    with pytest.raises(ValueError, match="defined for"):
        stats.incomplete_beta(0, 1, 0.5)


# Two samples of 15, a published example of unequal variances; expected values from a reference implementation.
SAMPLE_A = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
SAMPLE_B = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.3]


def test_welch_agrees_with_a_reference() -> None:
    found = stats.welch(SAMPLE_A, SAMPLE_B)
    assert found.p == pytest.approx(0.008185629704967032, rel=1e-10)
    assert found.df == pytest.approx(27.884749467103315, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((0.7926566005610627, 4.860676732772273), rel=1e-10)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(11)
    hits = {"welch": 0, "paired": 0}
    rounds = 2000
    for _ in range(rounds):
        shared = [chance.gauss(0, 2) for _ in range(5)]
        a, b = [s + chance.gauss(0, 0.3) for s in shared], [s + 0.5 + chance.gauss(0, 0.6) for s in shared]
        c = [chance.gauss(0.5, 3) for _ in range(4)]
        for one, truth in ((stats.paired(a, b), 0.5), (stats.welch(a, c), 0.5)):
            assert one.low is not None and one.high is not None
            hits[one.method] += one.low <= truth <= one.high
    assert all(0.935 < count / rounds < 0.97 for count in hits.values()), hits


def test_pairing_sees_what_the_noise_of_seeds_hides() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0, 5.0], [0.89, 1.91, 2.90, 3.88, 4.92]
    paired, welch = stats.paired(a, b), stats.welch(a, b)
    assert paired.p is not None and welch.p is not None and paired.p < 0.001 < 0.5 < welch.p


def test_groups_without_spread_and_of_extreme_size_do_not_break_it() -> None:
    same = stats.welch([0.5, 0.5], [0.5, 0.5])
    assert (same.estimate, same.low, same.high, same.p, same.effect) == (0, 0, 0, 1, None)
    apart = stats.welch([0.5, 0.5, 0.5], [0.4, 0.4, 0.4])
    assert apart.p == 0 and apart.low == apart.high == pytest.approx(-0.1)
    huge = stats.welch([1e150, 2e150], [1e150, 3e150])
    assert huge.p is not None and 0 < huge.p < 1
    tiny = stats.welch([1e-150, 2e-150], [1e-150, 3e-150])
    assert tiny.p is not None and 0 < tiny.p <= 1
    with pytest.raises(ValueError, match="two values"):
        stats.welch([1.0], [1.0, 2.0])


def test_one_run_against_a_group_is_judged_more_widely_than_a_mean() -> None:
    found = stats.single([1.0, 1.1, 0.9, 1.0, 1.05], 1.6)
    sd = statistics.stdev([1.0, 1.1, 0.9, 1.0, 1.05])
    assert found.df == 4 and found.high is not None
    assert found.high - found.estimate == pytest.approx(2.77644510519779 * sd * math.sqrt(1.2))


def test_hedges_corrects_for_few_values() -> None:
    a, b = [1.0, 2.0, 3.0], [3.0, 4.0, 5.0]
    correction = math.gamma(2) / (math.sqrt(2) * math.gamma(1.5))
    assert stats.hedges(a, b) == pytest.approx(2.0 * correction)
    assert stats.hedges([1.0], b) is None and stats.hedges([1.0, 1.0], [2.0, 2.0]) is None


def test_the_bootstrap_says_the_same_twice_and_takes_any_statistic() -> None:
    chance = random.Random(2)
    a, b = [chance.gauss(0, 1) for _ in range(40)], [chance.gauss(2, 1) for _ in range(40)]
    one = stats.bootstrap(a, b, resamples=2000)
    assert one == stats.bootstrap(a, b, resamples=2000)
    welch = stats.welch(a, b)
    assert one.low == pytest.approx(welch.low, abs=0.1) and one.high == pytest.approx(welch.high, abs=0.1)
    median = stats.bootstrap(a, b, of=statistics.median, resamples=500)
    assert median.estimate == statistics.median(b) - statistics.median(a)


def test_holm_agrees_with_the_worked_example() -> None:
    raised = stats.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert raised == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert stats.holm({}) == {} and stats.holm({"a": 0.5}) == {"a": 0.5}


def test_fishers_lady_tasting_tea() -> None:
    assert stats.fisher(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert stats.fisher(0, 5, 5, 5) == pytest.approx(2 / 252)
    assert stats.fisher(0, 3, 0, 9) == 1


def test_the_interval_of_a_percentile_is_where_tables_have_it() -> None:
    values = [float(value) for value in range(1, 101)]
    assert stats.quantile_interval(values, 0.5) == (40, 61)  # the classic table for n = 100
    assert stats.quantile_interval(values, 0.9) == (84, 96)
    assert stats.quantile_interval(values, 0.99) is None, "100 values cannot bound their 99th percentile"
    assert stats.quantile_interval([float(v) for v in range(1, 5001)], 0.99) == (4936, 4964)
    assert stats.quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5 and stats.quantile([7.0], 0.99) == 7.0


def test_a_summary_refuses_what_has_no_mean() -> None:
    assert stats.summary([]).mean is None and stats.summary([2.0]).sd is None
    with pytest.raises(ValueError, match="finite"):
        stats.summary([1.0, math.nan])


@pytest.mark.parametrize(
    ("names", "goal"),
    [
        (
            "loss val_loss train/loss perplexity val_bpb wer rmse test_mse latency_p99_ms error_rate fid validLoss",
            "min",
        ),
        ("reward_loss accuracy_error time_per_step seconds_per_step negative_log_likelihood lm_loss", "min"),
        ("accuracy val_acc f1_macro F1Score roc_auc mAP mAP50 reward episode_return BLEU rougeL r2 acc1 top5", "max"),
        ("tokens_per_second tok/s samples_per_sec it/s requests_per_second neg_mean_squared_error recall@10", "max"),
        ("learning_rate epoch grad_norm objective step", None),
    ],
)
def test_the_goal_by_the_name(names: str, goal: str | None) -> None:
    assert {name: known(name) for name in names.split()} == dict.fromkeys(names.split(), goal)
    assert goal is not None or goal_of("objective") == "min"
