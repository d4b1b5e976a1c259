"Real radiographs and a real pretrained autoencoder, where a reader has them beside the checkout."

import contextlib

import numpy as np
import pytest
import torch
from small import SMALL

from lgap.autoencoders.families import load_strict, read_state
from lgap.autoencoders.registry import load_autoencoder
from lgap.autoencoders.wrapper import decode, encode, psnr_ssim
from lgap.classifiers.checkpoints import LatentClassifier
from lgap.core import InputError
from lgap.data.benchmark import Benchmark, make_folds
from lgap.data.duplicates import merge_duplicates, near_duplicates, straddling
from lgap.data.inspection import DataWarning
from lgap.data.sources import load_benchmark, medmnist_benchmark
from lgap.report.autoencoder import diagnose_autoencoder
from lgap.study.methods import methods
from lgap.study.narrowing import export_classifier, method_replicates, narrow, narrowing_table
from lgap.study.profiles import load_profile
from lgap.study.study import Study


@pytest.fixture(scope='module')
def radiographs(shared) -> str:
    "An .npz file in MedMNIST layout."
    return str(shared / 'data' / 'pneumoniamnist.npz')


@pytest.fixture(scope='module')
def taef2(shared) -> str:
    "The name of an autoencoder with its weights."
    return f'taef2@{shared / "weights"}'


def test_taef2_reconstructs_radiographs(radiographs, taef2):
    bench, ae = load_benchmark(radiographs, 64, 60), load_autoencoder(taef2)
    latents = encode(ae, bench.images())
    assert latents.shape == (len(bench), 32, 8, 8)
    spread = latents.std((0, 2, 3)).mean()
    assert torch.allclose(spread, torch.tensor(0.8), atol=0.4)  # the normalised FLUX.2 space
    assert psnr_ssim(bench.images(), decode(ae, latents, 1))[0].mean() > 34


def test_taef2_does_not_fit_the_stock_class(shared):
    from diffusers import AutoencoderTiny

    from lgap.autoencoders.families import split_taef2, taef2_state

    state = taef2_state(*split_taef2(shared / 'weights'))
    with pytest.raises(InputError, match='24 extra'):
        load_strict(AutoencoderTiny(latent_channels=32), state, 'TAEF2')


@pytest.mark.parametrize('name', ['sd-mini', 'flux1-mini', 'flux2-mini', 'medvae-mini'])
def test_embedded_ones_carry_over(radiographs, name):
    "Trained on procedural images only, above 30 dB on real radiographs."
    images, ae = load_benchmark(radiographs, 64, 60).images(), load_autoencoder(name)
    assert psnr_ssim(images, decode(ae, encode(ae, images), 1))[0].mean() > 30


def test_local_file_of_another_size_is_resized(radiographs):
    bench = medmnist_benchmark('pneumoniamnist', 64, radiographs)
    assert len(bench) == 3882 + 524 + 624
    assert bench.images([0]).shape == (1, 1, 64, 64)
    assert set(bench.official) == {'train', 'val', 'test'}


def test_truncated_weights(shared, tmp_path):
    whole = (shared / 'weights' / 'taef2_encoder.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[:5000])
    with pytest.raises(InputError, match='truncated'):
        read_state(tmp_path / 'cut.pth')


@pytest.fixture(scope='module')
def distilled(radiographs, taef2, tmp_path_factory):
    "The route of Table 3 on real data: latents, and the folder of the saved classifier."
    cache = tmp_path_factory.mktemp('distilled')
    real = dict(benchmarks=[radiographs], autoencoders=[taef2], size=64, n_images=150)
    few = dict(max_folds=1, epochs=2, levels=2, bs=32, lr=2e-3, distil_lr=0.0)
    names = dict(latent_arch='resnet-mini-latent', cache=str(cache))
    study = Study.flat(**SMALL | real | few | names)
    found = narrow(study)
    assert len(narrowing_table(method_replicates(found, study))) == 2 * len(methods())
    part, task = found.parts[0], found.ladders[0]['taef2', 'both'][0]
    classifier = export_classifier(study, part, task, cache / 'clf')
    latents = part.encoded['taef2'].load('latent').float()
    return classifier, classifier.standardise(latents), cache / 'clf'


@pytest.mark.long
def test_distillation_on_radiographs(distilled):
    "The saved classifier guides, and knows its latents."
    classifier, latents, folder = distilled
    labels = torch.zeros(8, dtype=torch.int64)
    assert classifier.guidance(latents[:8], labels, 1e-5).abs().sum() > 0
    back = LatentClassifier.from_pretrained(folder, classifier.config.autoencoder_id)
    assert torch.equal(back.log_prob(latents[:8]), classifier.log_prob(latents[:8]))
    with pytest.raises(InputError, match='taef2 latents'):
        back(latents[:, :16])
    with pytest.raises(InputError, match='weights another'):
        LatentClassifier.from_pretrained(folder, 'another')


@pytest.mark.long
def test_report_on_radiographs(radiographs, taef2, shared, tmp_path):
    "A report on a real autoencoder and real radiographs; numbers of so small a study say nothing."
    given = dict(against=['sd-mini'], max_folds=1, n_folds=3, n_images=90, epochs=1, levels=2)
    given |= dict(n_boot=20, candidates=[''], n_jobs=1)
    given |= dict(cache=str(tmp_path / 'c'), device='cpu')
    said, page = diagnose_autoencoder(taef2, radiographs, given, str(tmp_path / 'r'))
    numbers = said['diagnostics']
    assert said['of'] == 2
    assert 34 < numbers['psnr'] < 40
    assert numbers['channel_rank'] > 1
    assert all(value == value for value in numbers.values())
    assert page.stat().st_size > 10**5
    assert str(shared) not in said['title']


# The manifests of profile `real`
@pytest.fixture(scope='module')
def collection(shared):
    "A function that loads a manifest at the size of the profile; skips where it is absent."

    def load(name: str, n: int | None = None) -> Benchmark:
        path = shared / 'data' / name / f'{name}.csv'
        if not path.is_file():
            pytest.skip(f'no {name} beside the checkout')
        odd = pytest.warns(DataWarning, match='images of two classes')
        with odd if name == 'busi' and not n else contextlib.nullcontext():
            return load_benchmark(str(path), 128, n)

    return load


@pytest.mark.parametrize(
    'name, classes, masks',
    [('busi', 3, True), ('ham10000', 7, True), ('kermany_cxr', 3, False), ('pbc_blood8', 8, False)],
)
def test_profile_real_reads_its_collections(collection, name, classes, masks):
    "A mask column is masks, patients are known, and each class is in every fold."
    assert any(name in path for path in load_profile('real').values['benchmarks'])
    bench = collection(name)
    assert len(bench.classes) == classes and bench.counts.min() > 50
    assert bench.images([0, 1]).shape == (2, 3, 128, 128)
    assert (bench.masks is not None) == masks
    if masks:
        ill = np.flatnonzero(bench.targets == 1)[:20]
        assert bench.masks(ill).any((1, 2)).mean() > 0.9
    for fold in make_folds(bench, 5):
        assert len(np.unique(bench.targets[fold.test])) == classes


def test_busi_leaks_until_near_duplicates_are_merged(collection):
    "More than a tenth of the test images have a near-duplicate in training, under another id."
    bench = collection('busi')
    pairs = near_duplicates(bench)
    assert (~pairs.same_patient).sum() > 100
    assert straddling(pairs, make_folds(bench, 5)).share.mean() > 0.1
    merged = merge_duplicates(bench, pairs)
    assert np.bincount(merged.groups).max() < 10  # no chain swallows the rest
    assert straddling(pairs, make_folds(merged, 5)).pairs.sum() == 0


def test_near_duplicates_are_of_one_lesion(collection):
    "The threshold: among dermatoscopies, whose lesions are known, nearly all pairs are true."
    pairs = near_duplicates(collection('ham10000', 2500))
    assert len(pairs) > 10 and pairs.same_patient.mean() > 0.95


def test_taef2_at_the_size_of_profile_real(collection, taef2):
    bench, ae = collection('busi', 12), load_autoencoder(taef2)
    latents = encode(ae, bench.images())
    assert latents.shape == (12, 32, 16, 16)
    assert psnr_ssim(bench.images(), decode(ae, latents, 3))[0].mean() > 30
