"Shared fixtures."

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from kernels import use_forked_kernels
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault('HF_HUB_OFFLINE', '1')  # tests need no network
os.environ.setdefault('OMP_NUM_THREADS', '1')  # several threads only wait for each other
os.environ.setdefault('PYDEVD_DISABLE_FILE_VALIDATION', '1')  # says nothing of frozen modules
if 'PYTEST_XDIST_WORKER' in os.environ:  # which has one core; workers of workers only wait, too
    os.environ.setdefault('LOKY_MAX_CPU_COUNT', '1')


def load_tool(name: str) -> ModuleType:
    "A script of tools/ as a module, by its path: `site` is a name of the standard library, too."
    folder = ROOT / 'tools'
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # scripts import their neighbours
    spec = importlib.util.spec_from_file_location(f'tool_{name}', folder / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def long_ones(names: list[str], which: set[str]) -> list:
    "Parameters of a test, some of them only for `make test-all`."
    return [pytest.param(name, marks=pytest.mark.long) if name in which else name for name in names]


@pytest.fixture(scope='session')
def root() -> Path:
    return ROOT


@pytest.fixture(scope='session', autouse=True)
def forked_kernels():
    "Kernels that do not wait for imports."
    with tempfile.TemporaryDirectory(prefix='lgap') as folder:  # addresses must be short
        use_forked_kernels(Path(folder))
        yield


@pytest.fixture(scope='session')
def smoked(tmp_path_factory):
    "Paper notebooks, run once for all tests and all processes that ask for them."
    from smoke import Smoked

    base = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        base = base.parent  # of all workers
    home = base / 'smoke'
    home.mkdir(exist_ok=True)
    return Smoked(home)


@pytest.fixture(scope='session')
def shared() -> Path:
    "Folder with real data and weights beside the checkout; tests that want it skip without one."
    folder = Path(os.environ.get('LGAP_SHARED', ROOT.parent / 'shared'))
    wanted = [folder / 'data' / 'pneumoniamnist.npz', folder / 'weights' / 'taef2_encoder.pth']
    if not all(path.is_file() for path in wanted):
        pytest.skip('no real data and weights beside the checkout')
    return folder


SEED = int(os.environ.setdefault('LGAP_TEST_SEED', str(int.from_bytes(os.urandom(4)))))


def pytest_report_header() -> str:
    return f'LGAP_TEST_SEED={SEED} repeats the random tests'


@pytest.fixture
def rng() -> np.random.Generator:
    "Random numbers; a failing test prints what repeats them."
    print(f'LGAP_TEST_SEED={SEED}')
    return np.random.default_rng(SEED)


# The longest files first, so that no process waits for the other at the end; paper notebooks before
# the tests that read their results.
LONG = ('test_paper', 'test_lessons', 'test_commands', 'test_site', 'test_real', 'test_jupyter')
SINGLY = ('test_lessons', 'test_library')  # tests that share nothing


def pytest_collection_modifyitems(items):
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


class ByFile(LoadScopeScheduling):
    "Processes share out files, whose tests share what they build; some tests singly."

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split('::')[0]
        return nodeid if Path(file).stem in SINGLY else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue('dist') == 'loadscope':
        return ByFile(config, log)
