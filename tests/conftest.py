"Shared fixtures."

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault('HF_HUB_OFFLINE', '1')  # tests need no network
os.environ.setdefault(
    'OMP_NUM_THREADS', '1'
)  # small tensors: several threads only wait for each other on a busy machine


@pytest.fixture(scope='session')
def root() -> Path:
    return ROOT


@pytest.fixture(scope='session')
def work(tmp_path_factory) -> Path:
    "Folder of the smoke runs; whoever runs a paper notebook shares its cache."
    return tmp_path_factory.mktemp('smoke')


@pytest.fixture(scope='session')
def shared() -> Path:
    "Folder with real data and weights, where a reader has one beside the checkout; tests that want it skip otherwise."
    folder = Path(os.environ.get('LGAP_SHARED', ROOT.parent / 'shared'))
    if (
        not (folder / 'data' / 'pneumoniamnist.npz').is_file()
        or not (folder / 'weights' / 'taef2_encoder.pth').is_file()
    ):
        pytest.skip('no real data and weights beside the checkout')
    return folder
