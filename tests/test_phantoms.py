"Phantoms have labels and patients of their own, and evidence of the kind that is claimed."

import shutil

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

import lgap
from lgap.data.benchmark import Benchmark, make_folds
from lgap.data.phantom_benchmarks import (
    COUNTERPART,
    every_phantom,
    family,
    phantom,
    phantom_table,
)
from lgap.data.sources import load_benchmark
from lgap.store import code_digest

STRONG, ALL = list(phantom_table()), list(every_phantom())
PAIRS = [(name, one, other) for (name, one), other in COUNTERPART.items()]
SEED = 11  # of patients that no calibration saw


@pytest.fixture(scope='module')
def benchmarks() -> dict[str, Benchmark]:
    return {name: phantom(name) for name in STRONG}


def agreement(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    "Share of equal entries, and what it would be if the two knew nothing of each other."
    k = 1 + max(one.max(), other.max())
    shares = [np.bincount(labels, minlength=k) / len(labels) for labels in (one, other)]
    return float((one == other).mean()), float(shares[0] @ shares[1])


@pytest.mark.parametrize('first', range(4))
def test_benchmarks_share_no_labels(benchmarks, first):
    one, n_others = benchmarks[STRONG[first]], 0
    for name in STRONG[first + 1 :]:
        other = benchmarks[name]
        same, chance = agreement(one.targets, other.targets)
        assert abs(same - chance) < 0.06  # 500 patients: 2.2 points are one standard error
        assert (one.groups != other.groups).mean() > 0.2
        n_others += 1
    assert n_others == 3 - first


def test_benchmarks_share_no_folds(benchmarks):
    tested = [make_folds(bench)[0].test for bench in benchmarks.values()]
    for i, one in enumerate(tested):
        for other in tested[i + 1 :]:
            both = len(np.intersect1d(one, other)) / len(one)
            assert both < 0.35  # a fifth by chance


@pytest.mark.parametrize('name', STRONG)
@pytest.mark.parametrize('seed', [0, 1])
def test_every_fold_has_six_patients_of_every_class(name, seed):
    bench = phantom(name, seed=seed)
    for fold in make_folds(bench):
        first = np.unique(bench.groups[fold.test], return_index=True)[1]
        of_class = np.bincount(bench.targets[fold.test][first], minlength=len(bench.classes))
        assert of_class.min() >= 6, of_class


@pytest.mark.parametrize('name', STRONG)
def test_a_patient_has_one_class_and_one_anatomy(name, benchmarks):
    bench = benchmarks[name]
    for patient in range(20):
        assert len(set(bench.targets[bench.groups == patient])) == 1
    other = phantom(name, seed=1)
    assert (other.targets != bench.targets).any()
    assert (other.images([0]) != bench.images([0])).any()


def generators(*seed: int) -> list[np.random.Generator]:
    "A patient's and a view's generator."
    return [np.random.default_rng([*seed, k]) for k in range(2)]


@pytest.mark.parametrize('name', ALL)
def test_strength_zero_leaves_no_trace(name):
    "Pixel for pixel the healthy image of the same patient and view."
    modality = every_phantom()[name]
    for finding in range(1, len(modality.classes)):
        for seed in range(3):
            healthy, _ = modality.draw(0, *generators(seed), 32, 1.0)
            absent, _ = modality.draw(finding, *generators(seed), 32, 0.0)
            strength = modality.strength[finding]
            there, mask = modality.draw(finding, *generators(seed), 32, strength)
            np.testing.assert_array_equal(absent, healthy)
            assert (there != healthy).any() and mask.any(), (modality.classes[finding], seed)


@pytest.mark.parametrize('name', STRONG)
def test_faint_variants_show_the_same_patients(name, benchmarks):
    faint, bench = load_benchmark(f'{name}-faint', n=1000), benchmarks[name]
    assert family(faint.name) == name
    assert (faint.targets == bench.targets).all() and (faint.groups == bench.groups).all()
    assert faint.fingerprint != bench.fingerprint
    ill = np.flatnonzero(bench.targets)[:20]
    healthy = bench.images(ill).numpy().astype(float)
    zero = phantom(name, strength=(0,) * len(bench.classes)).images(ill).numpy().astype(float)
    weak = faint.images(ill).numpy().astype(float)
    assert np.abs(weak - zero).mean() < 0.9 * np.abs(healthy - zero).mean()


# The kind of the evidence is honest
def summary(images: np.ndarray) -> np.ndarray:
    "Mean and standard deviation of each channel, and the radial power spectrum: [n, features]."
    x = images.astype(float) / 255
    size = x.shape[-1]
    f = np.fft.fftfreq(size) * size
    ring = np.hypot(*np.meshgrid(f, f)).round().astype(int).clip(max=size // 2).ravel()
    power = np.abs(np.fft.fft2(x.mean(1))) ** 2  # [n, size, size]
    radial = [np.bincount(ring, one.ravel()) / np.bincount(ring) for one in power]
    return np.concatenate([x.mean((2, 3)), x.std((2, 3)), np.log(radial)], 1)


def two_classes(name: str, one: str, other: str, n: int = 1200) -> tuple[np.ndarray, ...]:
    "As many images of a class as of its counterpart, one per patient; masks; which is which."
    modality = every_phantom()[name]
    images, masks, truth = [], [], np.arange(n) % 2
    for i in range(n):
        label = modality.classes.index((one, other)[i % 2])
        image, mask = modality.draw(label, *generators(SEED, i), 64, modality.strength[label])
        masks.append(mask)
        images.append((image.transpose(2, 0, 1) * 255).round().astype(np.uint8))
    return np.stack(images), np.stack(masks)[:, None].astype(np.uint8), truth


def asymmetry(images: np.ndarray) -> np.ndarray:
    "How much the left half differs from the mirrored right one, by place: [n, features]."
    x = gaussian_filter(images.mean(1), (0, 2, 2))
    difference = np.abs(x - x[:, :, ::-1])[:, :, : x.shape[2] // 2]
    return difference[:, 2::4, 2::4].reshape(len(x), -1)


def sides(masks: np.ndarray) -> np.ndarray:
    "How unevenly a finding lies in the two halves of the image: [n, 1]."
    half = masks.shape[-1] // 2
    left, right = masks[..., :half].sum((1, 2, 3)), masks[..., half:].sum((1, 2, 3))
    return (np.abs(left.astype(float) - right) / (left + right))[:, None]


def directions(images: np.ndarray) -> np.ndarray:
    "Share of the gradient's energy that is horizontal, near the middle: [n, 1]."
    x = gaussian_filter(images.mean(1), (0, 0.7, 0.7))[:, 16:48, 16:48]
    down, right = (np.square(np.gradient(x, axis=axis)).sum((1, 2)) for axis in (1, 2))
    return (right / (right + down))[:, None]


LOOKS = {  # what tells a class from its counterpart
    'phantom-chest': asymmetry,
    'phantom-derm': directions,
    'phantom-ct': sides,
    'phantom-us': asymmetry,
}


def probe(features: np.ndarray, truth: np.ndarray) -> float:
    "Balanced accuracy of logistic regression on the third that it did not see."
    cut = 2 * len(truth) // 3
    x = StandardScaler().fit(features[:cut]).transform(features)
    model = LogisticRegression(C=0.1, max_iter=2000).fit(x[:cut], truth[:cut])
    return balanced_accuracy_score(truth[cut:], model.predict(x[cut:]))


@pytest.mark.parametrize('name, one, other', PAIRS)
def test_orientation_and_relation_are_not_in_the_spectrum(name, one, other):
    "Brightness, contrast and spectrum tell next to nothing; a look at directions or sides does."
    images, masks, truth = two_classes(name, one, other)
    look = LOOKS[name]
    blind = probe(summary(images), truth)
    sees = probe(look(masks if look is sides else images), truth)
    print(f'{name}, {one}: summary {blind:.3f}, {look.__name__} {sees:.3f}')
    assert blind < 0.65, f'{blind:.3f} of {name}: {one} from the spectrum'
    assert sees > max(0.75, blind + 0.15), f'{sees:.3f} of {name}: {one}'


def test_the_probe_can_see():
    "The same summary finds a texture, so its silence on the others means something."
    images, _, truth = two_classes('phantom-chest', 'interstitial', 'no finding', 300)
    assert probe(summary(images), truth) > 0.9


@pytest.mark.parametrize('part', ['drawing', 'phantoms', 'thorax'])
def test_a_changed_drawing_is_a_changed_benchmark(part, tmp_path, monkeypatch):
    "Whatever is drawn differently, also what the first image does not show."
    package = tmp_path / 'lgap'
    shutil.copytree(lgap.__path__[0], package, ignore=shutil.ignore_patterns('*.safetensors'))
    names = ('data.phantoms', 'data.thorax')
    before = code_digest(*names, package=package)
    assert before == code_digest(*names)
    source = package / 'data' / f'{part}.py'
    source.write_text(source.read_text() + '\n# a comment\n')
    code_digest.cache_clear()
    assert code_digest(*names, package=package) == before
    source.write_text(source.read_text() + '\nMORE = 1\n')
    code_digest.cache_clear()
    after = code_digest(*names, package=package)
    assert after != before
    old = phantom('phantom-us', 4).fingerprint
    monkeypatch.setattr('lgap.data.phantom_benchmarks.code_digest', lambda *names: after)
    assert phantom('phantom-us', 4).fingerprint != old
