"Copies and patients that no list tells of do not get into training and test."

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toy_manifest import load, noise, six_images, write

from lgap.data.benchmark import hides_patients, make_folds
from lgap.data.duplicates import merge_duplicates, near_duplicates, straddling
from lgap.data.sources import medmnist_benchmark, medmnist_flags
from lgap.study.profiles import load_profile, profile_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "Six images and their list, and notes of this test alone."
    monkeypatch.setenv('LGAP_DATA', str(tmp_path / 'home'))
    return six_images(tmp_path / 'images')


# Near-duplicates
def test_duplicates_stay_on_one_side(folder, rng):
    "Copies with another brightness and noise are found among images that differ; then none leaks."
    for k in range(6, 60):
        Image.fromarray(noise(k)).resize((96, 72)).save(folder / f'{k}.png')
    copied = rng.permutation(np.arange(6, 60))[:9]
    for k, source in enumerate(copied, 60):
        pixels = np.asarray(Image.open(folder / f'{source}.png')) * 0.7 + 20
        pixels = pixels + rng.normal(0, 3, pixels.shape)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f'{k}.png')
    table = pd.DataFrame(dict(path=[f'{k}.png' for k in range(6, 69)]))
    table['a'] = [*np.arange(54) % 2, *copied % 2]
    write(folder, table.assign(b=1 - table.a))
    bench = load(folder, size=64)
    pairs = near_duplicates(bench)
    assert set(zip(pairs.one + 6, pairs.other + 6)) == set(zip(copied, range(60, 69)))
    merged = merge_duplicates(bench, pairs)
    assert len(np.unique(merged.groups)) == 54 and merged.fingerprint != bench.fingerprint
    assert straddling(pairs, make_folds(bench, 5)).pairs.sum() > 0
    assert straddling(pairs, make_folds(merged, 5)).pairs.sum() == 0


def test_equal_brightness_is_no_duplicate(folder):
    "Pale images that show different things."
    for k in range(6):
        Image.fromarray(noise(k) // 16 + 220).save(folder / f'{k}.png')
    assert not len(near_duplicates(load(folder)))


# Profiles
def tiny_npz(path, info: dict):
    "A file in the layout of a MedMNIST data set."
    arrays, several = {}, 'multi-label' in info['task']
    for split, n in (('train', 30), ('val', 20), ('test', 20)):
        arrays[f'{split}_images'] = noise(n, n, 28 * 28).reshape(n, 28, 28)
        classes = len(info['label'])
        one = (np.arange(n) % classes)[:, None]
        arrays[f'{split}_labels'] = (one == np.arange(classes)).astype(int) if several else one
    np.savez(path, **arrays)


@pytest.mark.parametrize('flag', load_profile('medmnist').values['benchmarks'])
def test_medmnist_keeps_to_official_splits(flag, tmp_path):
    "MedMNIST has a split and no patients; the profile uses the split in every notebook."
    tiny_npz(tmp_path / 'file.npz', medmnist_flags()[flag])
    bench = medmnist_benchmark(flag, 28, tmp_path / 'file.npz')
    assert hides_patients(bench)
    profile = load_profile('medmnist')
    assert all(profile.of(notebook)['official'] is True for notebook in profile.notebooks)
    (fold,) = make_folds(bench, official=True)
    assert [len(side) for side in fold] == [30, 20, 20]


def test_pretrained_networks_have_a_tag():
    "Whatever starts from ImageNet weights says which, and timm knows them."
    import timm

    known, seen = set(timm.list_pretrained()), set()
    for name in profile_files():
        profile = load_profile(name)
        for notebook in profile.notebooks:
            values = profile.of(notebook)
            archs = [values[f'{kind}_arch'] for kind in ('image', 'latent')]
            inits = [values[f'{kind}_init'] for kind in ('image', 'latent')]
            if 'pretrained' in inits:
                words = ' '.join(values.get('variants', [])).split()
                archs += [word.partition(':')[2] for word in words if 'arch:' in word]
                seen |= set(archs) - {'transformer'}
    assert len(seen) >= 3 and seen <= known
    assert {arch.split('.')[1].rsplit('_')[-1] for arch in seen} == {'in1k'}  # equal pretraining
