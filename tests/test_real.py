"Real radiographs and a real pretrained autoencoder, where a reader has them beside the checkout."

import pytest
import torch
from small import SMALL

from lgap.autoencoders.families import load_strict, read_state
from lgap.autoencoders.registry import load_autoencoder
from lgap.autoencoders.wrapper import decode, encode, psnr_ssim
from lgap.classifiers.checkpoints import LatentClassifier
from lgap.core import InputError
from lgap.data.sources import load_benchmark, medmnist_benchmark
from lgap.report.autoencoder import diagnose_autoencoder
from lgap.study.methods import methods
from lgap.study.narrowing import export_classifier, method_replicates, narrow, narrowing_table
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


def test_report_on_radiographs(radiographs, taef2, shared, tmp_path):
    "A report on a real autoencoder and real radiographs; numbers of so small a study say nothing."
    given = dict(against=['sd-mini'], max_folds=1, n_folds=3, n_images=150, epochs=1, levels=2)
    given |= dict(n_boot=20, cache=str(tmp_path / 'c'), device='cpu')
    said, page = diagnose_autoencoder(taef2, radiographs, given, str(tmp_path / 'r'))
    numbers = said['diagnostics']
    assert said['of'] == 2
    assert 34 < numbers['psnr'] < 40
    assert numbers['channel_rank'] > 1
    assert all(value == value for value in numbers.values())
    assert page.stat().st_size > 10**5
    assert str(shared) not in said['title']
