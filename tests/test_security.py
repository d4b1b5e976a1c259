"Files from strangers: nothing in them is executed, and nothing outside the image folder is read."

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lgap.autoencoders.families import read_state
from lgap.autoencoders.registry import load_autoencoder
from lgap.core import InputError
from lgap.data.manifests import manifest_benchmark
from lgap.data.sources import read_npz


class Bomb:
    "Creates a file when it is unpickled."

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, 'w'))


@pytest.fixture()
def trace(tmp_path):
    return tmp_path / 'executed'


def test_the_bomb_works(trace):
    pickle.loads(pickle.dumps(Bomb(trace))).close()
    assert trace.exists()


@pytest.mark.parametrize(
    'wrap',
    [
        lambda bomb: bomb,
        lambda bomb: {'conv.weight': torch.zeros(2), 'more': bomb},
        lambda bomb: {'state_dict': bomb},
    ],
)
@pytest.mark.parametrize('suffix', ['.pth', '.ckpt'])
def test_pickled_weights_are_refused(tmp_path, trace, wrap, suffix):
    path = tmp_path / f'weights{suffix}'
    torch.save(wrap(Bomb(trace)), path)
    with pytest.raises(InputError, match='holds more than tensors'):
        read_state(path)
    assert not trace.exists()


def test_raw_pickle_is_refused(tmp_path, trace):
    for part in ('encoder', 'decoder'):
        (tmp_path / f'taef2_{part}.pth').write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(InputError, match='holds more than tensors'):
        load_autoencoder(f'taef2@{tmp_path}')
    assert not trace.exists()


def test_object_arrays_are_refused(tmp_path, trace):
    evil = io.BytesIO()
    np.save(evil, np.array([Bomb(trace)], dtype=object))  # numpy pickles it
    with zipfile.ZipFile(tmp_path / 'evil.npz', 'w') as archive:
        for split in ('train', 'val', 'test'):
            for kind in ('images', 'labels'):
                archive.writestr(f'{split}_{kind}.npy', evil.getvalue())
    with pytest.raises(InputError, match=r'no MedMNIST \.npz'):
        read_npz(tmp_path / 'evil.npz')
    assert not trace.exists()


@pytest.mark.parametrize(
    'where', ['../secret.png', 'sub/../../secret.png', 'ABSOLUTE', 'link.png', 'linked/secret.png']
)
def test_manifest_paths_stay_below_the_image_folder(tmp_path, where):
    folder, secret = tmp_path / 'images', tmp_path / 'secret.png'
    (folder / 'sub').mkdir(parents=True)
    for k, path in enumerate((secret, folder / 'ok.png', folder / 'other.png')):
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) + k).save(path)
    (folder / 'link.png').symlink_to(secret)
    (folder / 'linked').symlink_to(tmp_path)
    assert len(two_images(folder, 'sub/../other.png')) == 2  # inside it may wander
    with pytest.raises(InputError, match='points outside the image folder'):
        two_images(folder, str(secret) if where == 'ABSOLUTE' else where)


def two_images(folder, second: str):
    "A benchmark of ok.png and another image."
    table = pd.DataFrame(dict(path=['ok.png', second], a=[1, 0], b=[0, 1]))
    table.to_csv(folder / 'images.csv', index=False)
    return manifest_benchmark(folder / 'images.csv', size=8)


def test_checkpoint_folders_name_known_classes_only(tmp_path):
    (tmp_path / 'config.json').write_text('{"_class_name": "os.system", "in_channels": 3}')
    with pytest.raises(InputError, match=r"Unknown autoencoder class 'os\.system'"):
        load_autoencoder(str(tmp_path))
