"Image files of every mode and depth: what is read, what is refused, what is warned of."

import shutil

import numpy as np
import pytest
from PIL import Image
from toy_manifest import load, noise, read, six_images, write

from lgap.core import InputError
from lgap.data.inspection import DataWarning


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "Six images and their list, and notes of this test alone."
    monkeypatch.setenv('LGAP_DATA', str(tmp_path / 'home'))
    return six_images(tmp_path / 'images')


# What is read
SAVED = [
    ('1', 'png'),
    ('L', 'png'),
    ('LA', 'png'),
    ('P', 'png'),
    ('P', 'bmp'),
    ('RGB', 'jpg'),
    ('RGBA', 'png'),
    ('RGBA', 'webp'),
    ('CMYK', 'jpg'),
    ('CMYK', 'tif'),
    ('YCbCr', 'tif'),
    ('LAB', 'tif'),
    ('I', 'tif'),
    ('I;16', 'png'),
    ('I;16', 'tif'),
    ('I;16B', 'tif'),
    ('F', 'tif'),
]


@pytest.mark.parametrize('mode, suffix', SAVED, ids=str)
@pytest.mark.parametrize('channels', [1, 3])
def test_images_of_every_mode(folder, mode, suffix, channels):
    "The left half is bright and the right one dark."
    halves = np.full((24, 32), 230, np.uint8)
    halves[:, 16:] = 10
    path = folder / f'any.{suffix}'
    as_saved(halves, mode).save(path)
    write(folder, read(folder).replace('0.png', path.name))
    image = load(folder, channels=channels).images([0])[0].float()
    assert image.shape == (channels, 24, 24)
    assert image[:, :, :10].min() > 180 and image[:, :, 14:].max() < 60


def as_saved(pixels: np.ndarray, mode: str) -> Image.Image:
    "Grey pixels as an image of some mode; deep ones use 12 bits."
    if mode in ('I', 'F'):
        return Image.fromarray(pixels.astype(dict(I=np.int32, F=np.float32)[mode]) * 16)
    if mode[:4] == 'I;16':
        return Image.fromarray(
            (pixels.astype(np.uint16) * 16).astype('>u2' if 'B' in mode else '<u2')
        )
    if mode == 'LAB':
        grey = Image.new('L', (32, 24), 128)  # neither red nor green
        return Image.merge('LAB', [Image.fromarray(pixels), grey, grey])
    return Image.fromarray(pixels).convert('RGB').convert(mode, dither=Image.Dither.NONE)


def test_deep_images_keep_their_shades(folder):
    "A ramp of 12 bits in a 16-bit PNG: more than 200 shades, in order."
    ramp = np.linspace(0, 4000, 256).astype(np.uint16)[None].repeat(256, 0)
    Image.fromarray(ramp).save(folder / '0.png')
    square = Image.new('1', (256, 256), 1)
    square.save(folder / '0-mask.png')
    row = load(folder, size=256).images([0])[0, 0, 100].int()
    assert len(row.unique()) > 200 and (row.diff() >= 0).all()
    turned = load(folder, size=256, inverted=True).images([0])[0, 0, 100].int()
    assert (turned == 255 - row).all()


def test_a_window_ignores_a_marker(folder):
    "One bright pixel takes the range for itself unless a window leaves it out."
    deep = noise(9).astype(np.uint16)
    deep[0, 16] = 60000
    Image.fromarray(deep).save(folder / '0.png')
    assert load(folder).images([0])[0, 0, 1:].max() < 20
    windowed = load(folder, window=(0, 99)).images([0])[0, 0, 1:]
    assert windowed.max() > 240 and windowed.float().std() > 50
    prints = [load(folder, window=window).fingerprint for window in (None, (0, 99), (1, 99))]
    assert len(set(prints)) == 3


# What is refused
@pytest.mark.parametrize('suffix', ['png', 'jpg', 'tif'])
@pytest.mark.parametrize('what', ['path', 'mask'])
def test_truncated_files_are_named(folder, suffix, what):
    "When the list is read, not after an hour."
    path = folder / f'cut.{suffix}'
    Image.fromarray(noise(7, 240, 320)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    kind = 'image' if what == 'path' else 'mask'
    write(folder, read(folder).assign(**{what: ['cut.' + suffix, *read(folder)[what][1:]]}))
    with pytest.raises(InputError, match=rf'1 of 6 {kind}s cannot be used: .*cut\.{suffix} is dam'):
        load(folder)


@pytest.mark.parametrize('shape', [(40, 1), (1, 40), (7, 400), (1, 1)])
def test_slivers_are_refused(folder, shape):
    Image.fromarray(noise(7, *shape)).save(folder / '3.png')
    write(folder, read(folder).drop(columns='mask'))
    with pytest.raises(InputError, match=r'fewer than 8 pixels a side: 3\.png \(\d+ x \d+ px\)'):
        load(folder)


# What is warned of
def white(folder):
    Image.new('L', (32, 24), 255).save(folder / '1.png')


def strip(folder):
    Image.fromarray(noise(7, 17, 3000)).save(folder / '1.png')
    write(folder, read(folder).drop(columns='mask'))


def twins(folder):
    shutil.copy(folder / '1.png', folder / '2.png')


def mixed(folder):
    write(folder, read(folder).assign(id=list('aaabcc')))


def absent(folder):
    write(folder, read(folder).assign(BCC=0))


@pytest.mark.parametrize(
    'spoil, said',
    [
        (white, r'1 image\(s\) show one value in all pixels \(1\.png\)'),
        (strip, r'1 image\(s\) are more than 4 times as long as wide, .* used \(1\.png\)'),
        (twins, r'byte for byte those of another patient \(1\.png = 2\.png\)'),
        (mixed, r'1 id\(s\) have images of two classes \(a\)'),
        (absent, 'no image shows BCC'),
    ],
)
def test_what_looks_wrong_is_listed(folder, spoil, said):
    "Once, and the benchmark can be used; pytest makes an error of a warning that is not expected."
    load(folder)
    spoil(folder)
    with pytest.warns(DataWarning, match=said) as caught:
        bench = load(folder)
    assert len(caught) == 1 and bench.images().shape == (6, 1, 24, 24)


def test_everything_in_one_warning(folder):
    for spoil in (white, twins, mixed, absent):
        spoil(folder)
    with pytest.warns(DataWarning) as caught:
        load(folder)
    said = str(caught[0].message)
    assert len(caught) == 1 and said.count(';') == 2
    assert said.split('images.csv: ')[1].startswith('2 image(s) show one value')
