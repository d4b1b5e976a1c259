"Shared fixtures."
import os
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault('HF_HUB_OFFLINE', '1') # tests need no network
os.environ.setdefault('OMP_NUM_THREADS', '1') # small tensors: several threads only wait for each other on a busy machine


@pytest.fixture(scope='session')
def root() -> Path: return ROOT


@pytest.fixture(scope='session')
def shared() -> Path:
    "Folder with real data and weights, where a reader has one beside the checkout; tests that want it skip otherwise."
    folder = Path(os.environ.get('LGAP_SHARED', ROOT.parent/'shared'))
    if not (folder/'data'/'pneumoniamnist.npz').is_file() or not (folder/'weights'/'taef2_encoder.pth').is_file():
        pytest.skip('no real data and weights beside the checkout')
    return folder


def pytest_collection_modifyitems(items):
    "With several workers (-n): the tests of a file share caches and stay together; library notebooks need nothing from each other."
    for item in items:
        if item.path.stem != 'test_library': item.add_marker(pytest.mark.xdist_group(item.path.stem))
