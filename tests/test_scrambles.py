"An autoencoder behind an invertible map: the same images, other latents, another identity."

import diffusers
import fresh
import pytest
import torch
from small import gap_csv, small_study

from lgap.autoencoders.encoded import encode_benchmark
from lgap.autoencoders.registry import autoencoder_id, load_autoencoder, register_folder, registry
from lgap.autoencoders.trunk import Trunk, decoder_blocks
from lgap.autoencoders.wrapper import decode, encode
from lgap.core import InputError
from lgap.data.sources import phantom
from lgap.generate.scrambles import (
    FAMILIES,
    Scramble,
    ScrambledAutoencoder,
    ScrambleMap,
    check_exact,
    inverse_error,
    register_scramble,
)

NAMES = ('identity', 'placebo', 'permute-50', 'couple-1', 'couple-8', 'scatter-4')


@pytest.fixture(autouse=True)
def forget():
    "Names that a test registers are forgotten after it."
    yield
    for name in [name for name in registry() if '~' in name]:
        del registry()[name]


@pytest.mark.parametrize('family', FAMILIES)
def test_any_latents_come_back(family, rng):
    "Odd channels, odd grids, every magnitude."
    low, high = FAMILIES[family]
    for _ in range(8):
        channels, side = int(rng.integers(2, 12)), int(rng.integers(3, 12))
        scramble = Scramble(family, int(rng.integers(max(low, min(25, high)), high + 1)))
        std = float(10 ** rng.uniform(-3, 3))
        mean = torch.from_numpy(rng.normal(0, 3 * std, channels))
        numbers = torch.from_numpy(rng.standard_normal((3, channels, side, side)))
        z = mean.view(-1, 1, 1) + std * numbers
        h = ScrambleMap(scramble, mean, std, side)
        assert inverse_error(h, z) < 1e-6
        if family in ('identity', 'permute'):
            assert torch.equal(h.inverse(h(z)), z)
            assert torch.equal(h.inverse(h(z.half())), z.half())
        assert family == 'identity' or (h(z) - z).abs().max() > 0.1 * std


def test_one_channel(rng):
    z = torch.from_numpy(rng.standard_normal((2, 1, 5, 5)))
    h = ScrambleMap(Scramble('permute', 100), torch.zeros(1), 1.0, 5)
    assert torch.equal(h.inverse(h(z)), z) and not (h(z) == z).any()
    with pytest.raises(InputError, match='two channels'):
        ScrambleMap(Scramble('couple', 1), torch.zeros(1), 1.0, 5)


@pytest.mark.parametrize(
    'name, said',
    [
        ('', 'Unknown scramble'),
        ('shuffle-3', 'Unknown scramble'),
        ('Permute-50', 'Did you mean'),
        ('permute', 'permute-1 to permute-100'),
        ('permute-', 'permute-1 to permute-100'),
        ('permute-0', 'from 1 to 100'),
        ('permute-101', 'from 1 to 100'),
        ('permute--5', 'whole number'),
        ('permute-5.5', 'whole number'),
        ('permute-50-50', 'whole number'),
        ('couple-17', 'from 1 to 16'),
        ('scatter-x', 'whole number'),
        ('identity-1', 'from 0 to 0'),
        (None, 'Unknown scramble'),
    ],
)
def test_what_is_no_scramble(name, said):
    with pytest.raises(InputError, match=said):
        Scramble.parse(name)


@pytest.mark.parametrize('dose', [True, 2.0, '2', None, float('nan')])
def test_a_dose_is_a_whole_number(dose):
    with pytest.raises(InputError, match='give a whole number'):
        Scramble('couple', dose)


def test_every_one_has_an_identity_of_its_own():
    plain = load_autoencoder('sd-mini')
    made = [ScrambledAutoencoder(plain, Scramble.parse(name), 16) for name in NAMES]
    made += [ScrambledAutoencoder(plain, Scramble.parse(name), 8) for name in NAMES[2:]]
    ids = [autoencoder_id(ae) for ae in (plain, *made)]
    assert len(set(ids)) == len(ids)
    assert len({ae.spec.name for ae in made}) == len(NAMES)
    other = load_autoencoder('medvae-mini')
    assert autoencoder_id(ScrambledAutoencoder(other, Scramble.parse('placebo'), 16)) not in ids


@pytest.mark.parametrize('plain', ['sd-mini', 'flux2-mini'])
@pytest.mark.parametrize('name', NAMES)
def test_a_benchmark_is_encoded_by_name(tmp_path, plain, name):
    register_scramble(plain, name, size=64)
    bench = phantom('phantom-derm', 12, 64)
    scrambled = load_autoencoder(f'{plain}~{name}')
    how = dict(cache=tmp_path, bs=5, progress=False)
    before = encode_benchmark(bench, load_autoencoder(plain), **how)
    after = encode_benchmark(bench, scrambled, **how)
    assert before.key != after.key
    grey = (before.load('recon').int() - after.load('recon').int()).abs()
    assert grey.max() <= 1 and (grey > 0).float().mean() < 1e-3
    assert (before.load('psnr') - after.load('psnr')).abs().max() < 1e-2  # of rounded images
    z, u = (one.load('latent') for one in (before, after))
    assert z.shape == u.shape and z.dtype == u.dtype == torch.float16
    assert torch.equal(z, u) == (name == 'identity')
    assert name == 'identity' or (z.float() - u.float()).std() > 0.1


def print_identity(register: bool):
    "In a process of its own."
    if register:
        register_scramble('sd-mini', 'scatter-3', 32)
    print('identity', autoencoder_id(load_autoencoder('sd-mini~scatter-3')))


def test_another_process_draws_the_same(tmp_path):
    "Once it has registered the name; before, it says that there is none."
    register_scramble('sd-mini', 'scatter-3', 32)
    passed, said = fresh.run(tmp_path / 'log', print_identity, True)
    assert passed and f'identity {autoencoder_id(load_autoencoder("sd-mini~scatter-3"))}' in said
    passed, said = fresh.run(tmp_path / 'other', print_identity, False)
    assert not passed and 'Unknown autoencoder' in said


@pytest.mark.long
def test_a_study_measures_its_gap_in_workers(tmp_path):
    register_scramble('sd-mini', 'permute-100', 32)
    names = ('sd-mini', 'sd-mini~permute-100')
    table = gap_csv(small_study(tmp_path, autoencoders=names, max_folds=1, n_jobs=2))
    assert 'sd-mini~permute-100' in table


def test_the_decoder_can_be_cut():
    "At no depth the latent is what a classifier sees, at full depth it is the recon."
    plain = load_autoencoder('sd-mini')
    scrambled = ScrambledAutoencoder(plain, Scramble('couple', 3), 8)
    images = phantom('phantom-us', 3, 32).images()
    z = encode(scrambled, images)
    for depth in range(1, len(decoder_blocks(plain)) + 1):
        with torch.no_grad():
            found = Trunk(scrambled, depth)(z)
            wanted = Trunk(plain, depth)(encode(plain, images))
        assert torch.allclose(found, wanted, atol=1e-4)
    assert torch.equal(Trunk(scrambled, 0)(z), z)


def test_gradients_pass():
    "As guidance by an image classifier needs them."
    ae = ScrambledAutoencoder(load_autoencoder('sd-mini'), Scramble('scatter', 2), 8)
    z = encode(ae, phantom('phantom-us', 1, 32).images()).requires_grad_()
    ae.from_latent(z).square().mean().backward()
    assert torch.isfinite(z.grad).all() and z.grad.abs().max() > 0


def test_images_of_another_size_are_refused():
    register_scramble('sd-mini', 'permute-50', 32)
    ae = load_autoencoder('sd-mini~permute-50')
    with pytest.raises(InputError, match='drawn for latents'):
        encode(ae, phantom('phantom-us', 1, 64).images())
    with pytest.raises(InputError, match='drawn for latents'):
        decode(ae, torch.zeros(1, 4, 16, 16))


def test_fine_tuned_weights_are_refused(tmp_path):
    "The check of a study for images that weights have seen goes by their folder."
    config = dict(block_out_channels=(32,), norm_num_groups=8, latent_channels=4)
    diffusers.AutoencoderKL(**config).save_pretrained(tmp_path / 'own')
    register_folder('own~tuned', tmp_path / 'own')
    register_scramble('own~tuned', 'permute-50', 16)
    (tmp_path / 'own' / 'fine_tuned_on.json').write_text('{}')
    with pytest.raises(InputError, match='was fine-tuned'):
        register_scramble('own~tuned', 'permute-50', 16)


def test_a_wrong_inverse_is_noticed(monkeypatch):
    "A planted fault: the inverse of a coupling adds instead of taking away."
    plain = load_autoencoder('sd-mini')
    ae = ScrambledAutoencoder(plain, Scramble('couple', 2), 8)
    images = phantom('phantom-us', 2, 32).images()
    check_exact(plain, ae, images)
    last = ae.net.h.map.maps[-1]
    monkeypatch.setattr(last, 'inverse', last.forward, raising=False)
    with pytest.raises(InputError, match='the inverse is wrong by'):
        check_exact(plain, ae, images)


def test_moved_and_rounded_networks_keep_their_map():
    ae = ScrambledAutoencoder(load_autoencoder('sd-mini'), Scramble('couple', 2), 8)
    before = {name: value.clone() for name, value in ae.net.h.state_dict().items()}
    ae.to('cpu', torch.bfloat16, memory_format=torch.channels_last).half()
    assert ae.dtype == torch.float32 and ae.net.ae.dtype == torch.float16
    for name, value in ae.net.h.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
