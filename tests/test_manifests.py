"Lists of images as people write them: what is read, what is refused, what a fingerprint sees."

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from toy_manifest import load, noise, read, six_images, write

from lgap.core import InputError
from lgap.data.benchmark import make_folds
from lgap.data.inspection import DataWarning, notes_file
from lgap.data.manifests import folder_benchmark
from lgap.data.sources import load_benchmark


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "Six images and their list, and notes of this test alone."
    monkeypatch.setenv('LGAP_DATA', str(tmp_path / 'home'))
    return six_images(tmp_path / 'images')


# Masks and columns
def test_masks_are_masks(folder):
    "A mask is no class, and it is cut like its image."
    bench = load(folder)
    assert bench.classes == ('MEL', 'NV')
    masks = bench.masks([5, 0])
    assert masks.shape == (2, 24, 24) and masks.dtype == bool
    assert masks[0, 0].nonzero()[0].tolist() == list(range(5, 12))  # 4 columns are cut off
    assert masks[1, 0].nonzero()[0].tolist() == list(range(0, 12))


def test_columns_in_any_order(folder):
    table = read(folder).assign(Split=['train', 'train', 'val', 'val', 'test', 'test'])
    write(folder, table[['NV', 'mask', 'Split', 'path', 'MEL', 'id']])
    bench = load(folder)
    assert bench.classes == ('NV', 'MEL') and bench.masks([0]).any()
    assert bench.targets.tolist() == [1, 1, 0, 0, 1, 1]
    assert bench.official.tolist() == ['train', 'train', 'val', 'val', 'test', 'test']


def test_rows_without_a_mask_have_no_finding(folder):
    write(folder, read(folder).assign(mask=['0-mask.png', None, '', None, None, None]))
    assert load(folder).masks([0, 1, 2]).any((1, 2)).tolist() == [True, False, False]


# What is refused
REFUSED = [
    (dict(NV=[0, 0, 1, 1, 0, 2]), r"row 7: class column 'NV' holds '2'; class columns hold 0 or 1"),
    (dict(NV=[0, 0, 1, 1, 0, None]), "row 7: class column 'NV' holds nothing"),
    (dict(site=list('xyzxyz')), "row 2: class column 'site' holds 'x'"),
    (dict(MEL=1), 'row 4: the label is outside the class columns'),
    (dict(MEL=0), 'row 2: the label is outside the class columns'),
    (dict(mask='none.png'), r'no such mask .*none\.png \(6 of 6 missing\)'),
    (dict(mask='../outside.png'), 'points outside the image folder'),
    (dict(path=['0.png', 'x.png', *'2345']), r'no such image .*x\.png'),
    (dict(path=['0.png', None, *'2345']), 'row 3: no path'),
    (dict(id=['a', None, *'bbcc']), 'row 3: no id; fill the cell, or drop the whole column'),
    (dict(Split='held out'), "row 2: Split holds 'held out'; write train, val or test"),
]


@pytest.mark.parametrize('columns, said', REFUSED, ids=lambda case: str(case)[:40])
def test_lists_that_are_refused(folder, columns, said):
    write(folder, read(folder).assign(**columns))
    with pytest.raises(InputError, match=said) as caught:
        load(folder)
    assert 'images.csv' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'\x89PNG\r\n\x1a\n\xff\xfe', b'path,MEL\n"0.png'])
def test_no_table(folder, content):
    (folder / 'images.csv').write_bytes(content)
    with pytest.raises(InputError, match=r'images\.csv is no CSV table|class columns found'):
        load(folder)


def test_a_mask_of_another_shape(folder):
    Image.fromarray(noise(7, 32, 24)).save(folder / '2-mask.png')
    with pytest.raises(InputError, match=r'mask 2-mask\.png is 24 x 32 px, its image 32 x 24'):
        load(folder)
    Image.fromarray(noise(7, 12, 16)).save(folder / '2-mask.png')  # coarser is fine
    assert load(folder).masks([2]).shape == (1, 24, 24)


def test_too_few_patients_of_a_class(folder):
    with pytest.raises(InputError, match=r'too few patients for 3 folds in MEL \(2\), NV \(1\)'):
        make_folds(load(folder), 3)


# Fingerprints
def test_fingerprints_follow_content(folder, tmp_path):
    "Not the place, the date or the size of a file, and every pixel and every mask."
    before = load(folder).fingerprint
    shutil.copytree(folder, tmp_path / 'moved')
    assert load(tmp_path / 'moved').fingerprint == before
    for name in ('4.png', '4-mask.png'):
        path, state = folder / name, (folder / name).stat()
        kept = path.read_bytes()
        path.write_bytes(swap_bytes(path))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert path.stat().st_size == state.st_size
        assert load(folder).fingerprint != before
        path.write_bytes(kept)
        assert load(folder).fingerprint == before
    write(folder, read(folder).assign(id=list('aabbcd')))
    assert load(folder).fingerprint != before


def swap_bytes(path) -> bytes:
    "Other pixels in as many bytes: a bitmap, whatever the name says."
    size = path.stat().st_size
    for seed in range(10**4):
        pixels = np.asarray(Image.open(path).convert('L')).copy()
        pixels[seed // 32 % 24, seed % 32] ^= 128
        Image.fromarray(pixels.astype(bool) if 'mask' in path.name else pixels).save(path)
        if path.stat().st_size == size:
            return path.read_bytes()
    raise AssertionError('no image of the same size found')


def test_unchanged_files_are_not_opened_again(folder, monkeypatch):
    before = load(folder)
    monkeypatch.setattr('lgap.data.inspection.SETTLED', -1.0)
    assert load(folder).fingerprint == before.fingerprint
    assert notes_file(folder.resolve()).is_file()
    monkeypatch.setattr('lgap.data.inspection.look_at', None)
    assert load(folder).fingerprint == before.fingerprint
    (folder / '1.png').touch()
    with pytest.raises(TypeError):  # of the None that should look at it
        load(folder)


@pytest.mark.parametrize('damage', ['', '[]', '{"code": 1, "files": 2}', '{'])
def test_damaged_notes_are_made_again(folder, damage, monkeypatch):
    monkeypatch.setattr('lgap.data.inspection.SETTLED', -1.0)
    before = load(folder).fingerprint
    notes = notes_file(folder.resolve())
    notes.write_text(damage)
    assert load(folder).fingerprint == before
    assert len(notes.read_text()) > 500


# Folders
def test_class_folders(tmp_path):
    "Any endings of images, nothing hidden, and an empty class is named."
    for k, name in enumerate(('a/0.png', 'a/1.JPG', 'b/2.tif', 'b/3.bmp', 'b/ann/4.webp')):
        path = tmp_path / 'tree' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(k)).save(path)
    for name in ('.DS_Store', 'a/._0.png', 'a/notes.txt', 'b/.thumbs/4.png', '.git/x/1.png'):
        path = tmp_path / 'tree' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('no image')
    with pytest.warns(DataWarning, match='1 images lie in folders inside class folders'):
        bench = load_benchmark(tmp_path / 'tree', 16)
    assert bench.classes == ('a', 'b') and bench.targets.tolist() == [0, 0, 1, 1, 1]
    assert bench.images().shape == (5, 3, 16, 16)
    (tmp_path / 'tree' / 'c').mkdir()
    with pytest.raises(InputError, match=r'no image in class folder\(s\) c; fill or remove'):
        folder_benchmark(tmp_path / 'tree')


def test_folders_of_patients(tmp_path):
    for k in range(12):
        path = tmp_path / 'tree' / 'ab'[k % 2] / f'patient{k // 4}' / f'{k}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(k)).save(path)
    bench = folder_benchmark(tmp_path / 'tree', 16, patients=True)
    assert len(np.unique(bench.groups)) == 6
    for fold in make_folds(bench, 3):
        assert not np.intersect1d(bench.groups[fold.train], bench.groups[fold.test]).size
