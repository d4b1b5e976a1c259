"Real radiographs and a real pretrained autoencoder, where a reader has them beside the checkout."

import pytest
import torch

from lgap.autoencoders.families import load_strict, read_state
from lgap.autoencoders.registry import load_autoencoder
from lgap.autoencoders.wrapper import decode, encode, psnr_ssim
from lgap.classifiers.checkpoints import LatentClassifier
from lgap.core import InputError
from lgap.data.sources import load_benchmark, medmnist_benchmark
from lgap.report.autoencoder import diagnose_autoencoder
from lgap.study.narrowing import export_classifier, narrow, narrowing_table, study_replicates
from lgap.study.study import Study


def test_taef2_reconstructs_radiographs(shared):
    bench = load_benchmark(str(shared / 'data' / 'pneumoniamnist.npz'), 64, 60)
    ae = load_autoencoder(f'taef2@{shared / "weights"}')
    z = encode(ae, bench.images())
    assert z.shape == (len(bench), 32, 8, 8)
    assert torch.allclose(
        z.std((0, 2, 3)).mean(), torch.tensor(0.8), atol=0.4
    )  # the normalised FLUX.2 space
    assert psnr_ssim(bench.images(), decode(ae, z, 1))[0].mean() > 34


def test_taef2_does_not_fit_the_stock_class(shared):
    from diffusers import AutoencoderTiny

    from lgap.autoencoders.families import split_taef2, taef2_state

    with pytest.raises(InputError, match='24 extra'):
        load_strict(
            AutoencoderTiny(latent_channels=32),
            taef2_state(*split_taef2(shared / 'weights')),
            'TAEF2',
        )


@pytest.mark.parametrize('name', ['sd-mini', 'flux1-mini', 'flux2-mini', 'medvae-mini'])
def test_embedded_ones_carry_over(shared, name):
    "Trained on procedural images only, above 30 dB on real radiographs."
    bench = load_benchmark(str(shared / 'data' / 'pneumoniamnist.npz'), 64, 60)
    assert (
        psnr_ssim(
            bench.images(),
            decode(load_autoencoder(name), encode(load_autoencoder(name), bench.images()), 1),
        )[0].mean()
        > 30
    )


def test_local_file_of_another_size_is_resized(shared):
    b = medmnist_benchmark('pneumoniamnist', 64, shared / 'data' / 'pneumoniamnist.npz')
    assert (
        len(b) == 3882 + 524 + 624
        and b.images([0]).shape == (1, 1, 64, 64)
        and set(b.official) == {'train', 'val', 'test'}
    )


def test_truncated_weights(shared, tmp_path):
    (tmp_path / 'cut.pth').write_bytes(
        (shared / 'weights' / 'taef2_encoder.pth').read_bytes()[:5000]
    )
    with pytest.raises(InputError, match='truncated'):
        read_state(tmp_path / 'cut.pth')


def test_distillation_on_radiographs(shared, tmp_path):
    "The route of Table 3 on real radiographs and a real autoencoder; the saved classifier knows its latents."
    study = Study(
        (str(shared / 'data' / 'pneumoniamnist.npz'),),
        (f'taef2@{shared / "weights"}',),
        n_images=150,
        n_folds=3,
        max_folds=1,
        size=64,
        image_arch='resnet-mini',
        latent_arch='resnet-mini-latent',
        image_init='random',
        latent_init='random',
        image_stem=4,
        epochs=2,
        bs=32,
        lr=2e-3,
        distil_lr=0.0,
        schedule='cosine',
        rotate=0.0,
        drw_epoch=-1,
        n_boot=20,
        n_jobs=1,
        levels=2,
        device='cpu',
        cache=str(tmp_path),
    )
    parts, ladders, results = narrow(study, progress=False)
    assert len(narrowing_table(study_replicates(parts, ladders, results, study))) == 2 * 5
    clf = export_classifier(study, parts[0], ladders[0]['taef2', 'both'][0], tmp_path / 'clf')
    raw = parts[0].encoded['taef2'].load('latent').float()
    z = clf.standardise(raw)
    y = torch.zeros(len(z), dtype=torch.int64)
    g = clf.guidance(z[:8], y[:8], 1e-5)
    assert g.abs().sum() > 0
    back = LatentClassifier.from_pretrained(tmp_path / 'clf', clf.config.autoencoder_id)
    assert torch.equal(back.log_prob(z[:8]), clf.log_prob(z[:8]))
    with pytest.raises(InputError, match='taef2 latents'):
        back(z[:, :16])
    with pytest.raises(InputError, match='weights another'):
        LatentClassifier.from_pretrained(tmp_path / 'clf', 'another')


def test_report_on_radiographs(shared, tmp_path):
    "A report on a real autoencoder and real radiographs; the numbers of this small one mean nothing, but they are there."
    given = dict(
        against=['sd-mini'],
        max_folds=1,
        n_folds=3,
        n_images=150,
        epochs=1,
        n_boot=20,
        cache=str(tmp_path / 'c'),
        device='cpu',
        levels=2,
    )
    said, page = diagnose_autoencoder(
        f'taef2@{shared / "weights"}',
        str(shared / 'data' / 'pneumoniamnist.npz'),
        given,
        str(tmp_path / 'r'),
    )
    assert (
        said['of'] == 2
        and 34 < said['diagnostics']['psnr'] < 40
        and 1 < said['diagnostics']['channel_rank'] <= 32
        and page.stat().st_size > 10**5
    )
    assert str(shared) not in said['title'] and all(
        v == v for k, v in said['diagnostics'].items()
    ), 'a diagnostic is NaN'
