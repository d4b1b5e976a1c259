"Intervals and tests that know what images, seeds, pairs and benchmarks share."

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from lgap.classifiers.metrics import metrics
from lgap.data.benchmark import make_folds
from lgap.data.sources import phantom
from lgap.measure.bootstrap import metric_replicates, patient_strata, stratified_weights
from lgap.measure.gap import gap_table
from lgap.measure.pair_tests import pair_tests
from lgap.study.correlation import joint_permutation, within_spearman


@pytest.fixture(scope='module')
def bench():
    return phantom('phantom-ct', 400, 16)


@pytest.fixture(scope='module')
def tests(bench):
    return [fold.test for fold in make_folds(bench, 3)]


def results(bench, tests, skill, seed, rng):
    "What a classifier might say of each fold."
    clean = skill * np.eye(len(bench.classes))[bench.targets]
    logits = clean + rng.normal(size=clean.shape)
    return [dict(index=test, logits=logits[test], seed=seed) for test in tests]


def gap(bench, spaces, **more):
    return gap_table(spaces, bench.targets, bench.groups, n_boot=500, **more)


def width(row):
    return row['learnability_hi'] - row['learnability_lo']


def test_two_seeds_widen_the_interval(bench, tests):
    "The mean of a good and a bad training is less sure than that of two equal ones."
    rng = np.random.default_rng(0)
    image = results(bench, tests, 3, 0, rng)
    good, bad = (results(bench, tests, skill, 1, rng) for skill in (2.5, 0.7))
    equal = gap(bench, dict(image=image, recon=image, latent=good))
    both = [part | dict(seed=0) for part in good] + bad
    apart = gap(bench, dict(image=image, recon=image, latent=both))
    assert width(apart) > 1.3 * width(equal)
    assert apart['learnability'] > equal['learnability']


def test_equal_seeds_change_nothing(bench, tests):
    rng = np.random.default_rng(1)
    image, latent = (results(bench, tests, skill, 0, rng) for skill in (3, 1))
    one = gap(bench, dict(image=image, recon=image, latent=latent))
    twice = latent + [part | dict(seed=1) for part in latent]
    assert gap(bench, dict(image=image, recon=image, latent=twice)) == pytest.approx(one)


def test_seeds_may_come_in_any_order(bench, tests):
    rng = np.random.default_rng(2)
    parts = [part for seed in range(3) for part in results(bench, tests, 1, seed, rng)]
    by_fold = sorted(parts, key=lambda part: part['index'].tobytes())
    known = (bench.targets, bench.groups, 'mcc', 200)
    assert metric_replicates(parts, *known)[0] == pytest.approx(
        metric_replicates(by_fold, *known)[0]
    )


def test_benchmarks_with_the_same_labels_draw_apart(bench, tests):
    rng = np.random.default_rng(3)
    parts = results(bench, tests, 1, 0, rng)
    known = (bench.targets, bench.groups, 'balanced_accuracy', 2000, 0)
    one, other = (metric_replicates(parts, *known, name)[1] for name in ('a', 'b'))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_no_class_vanishes(bench, tests):
    strata = patient_strata(bench.targets, bench.groups)
    for test in tests:
        rng = np.random.default_rng(4)
        weights = stratified_weights(bench.groups[test], strata[test], 500, rng)
        for k in np.unique(bench.targets[test]):
            assert (weights[:, bench.targets[test] == k].sum(1) > 0).all()


def test_auroc_is_that_of_the_loss(bench, tests):
    rng = np.random.default_rng(5)
    cosines = np.clip(0.3 * rng.normal(size=(len(bench), len(bench.classes))), -1, 1)
    probabilities = softmax(30 * cosines, axis=1)
    want = roc_auc_score(bench.targets, probabilities, multi_class='ovr', average='macro')
    assert metrics(cosines, bench.targets, 30)['auroc'] == pytest.approx(want)
    assert metrics(cosines, bench.targets)['auroc'] != pytest.approx(want)


def test_a_name_is_no_predictor():
    "A random number for each autoencoder is a predictor in no more than 7 % of the draws."
    rng, wrong, draws = np.random.default_rng(6), 0, 600
    for _ in range(draws):
        x = rng.normal(size=5) + np.zeros((4, 1))
        own = rng.normal(size=5) + 0.5 * rng.normal(size=(4, 5))
        wrong += joint_permutation(x, own)[1] < 0.05
    assert 0.01 < wrong / draws <= 0.07


@pytest.mark.parametrize('offset', [0, 10, -100])
def test_an_offset_of_benchmarks_hides_nothing(offset):
    psnr = np.arange(5.0) + offset * np.arange(4.0)[:, None]
    fallen = offset * np.arange(4.0)[:, None] - np.arange(5.0)
    assert within_spearman(psnr, fallen) == pytest.approx(-1)
    assert joint_permutation(psnr, fallen)[0] == pytest.approx(-1)


def test_one_good_benchmark_convinces_only_the_pairs():
    "Gaps that come from one benchmark of four: pairs are many, benchmarks are one."
    benchmarks, autoencoders = np.repeat(range(4), 5), np.tile(range(5), 4)
    rng = np.random.default_rng(7)
    gaps = np.where(benchmarks == 0, 0.3, 0) + 0.01 * rng.uniform(-0.3, 1, 20)
    table = pair_tests(gaps, benchmarks, autoencoders).set_index('test')
    assert table.p['signed ranks of pairs'] < 0.01
    assert table.p['t, two-way clusters'] > 0.1
    assert (table.p >= table.smallest).all()
