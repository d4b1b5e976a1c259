"A result is kept as long as the code that made it; other edits, and comments, cost nothing."

import json
import shutil

import fresh
import pytest

from lgap.store import code_digest, import_closure, module_files

SWEEP = """
import json
import sys
from pathlib import Path

import numpy as np

import lgap
from lgap.autoencoders.encoded import encode_benchmark
from lgap.classifiers.run import Run
from lgap.data.benchmark import Benchmark, make_folds
from lgap.sweep.results import Store
from lgap.sweep.sweep import Task, run_sweep
from lgap.sweep.workers import Machine

folder = Path(sys.argv[1])
y = np.arange(60) % 2
x = np.random.default_rng(0).integers(0, 100, (60, 1, 16, 16), dtype=np.uint8)
x[y == 1, :, :8] += 40
bench = Benchmark('toy', ('top', 'none'), y, np.arange(60), lambda i: x[i], 16, 'toy')
encoded = encode_benchmark(bench, cache=folder, progress=False)
run = Run('toy', 'image', n_folds=3, data=encoded.key, epochs=1, bs=20, lr=3e-3, stem=4)
store = Store(folder / 'runs')
there = store.has(run)
task = Task(run, encoded, y, make_folds(bench, 3)[0], 2)
result = run_sweep([task], store, Machine(device='cpu', n_jobs=1, progress=False))[0]
said = dict(there=there, file=store.path(run).name, encoded=encoded.key, metrics=result['metrics'])
print(json.dumps(said | dict(package=lgap.__file__)))
"""


@pytest.fixture(scope='module')
def copy(root, tmp_path_factory):
    "The package in a folder of its own, and a cache."
    folder = tmp_path_factory.mktemp('copy')
    left = shutil.ignore_patterns('__pycache__', 'weights')
    shutil.copytree(root / 'lgap', folder / 'lgap', ignore=left)
    (folder / 'sweep.py').write_text(SWEEP)
    return folder


def sweep(folder) -> dict:
    "What a sweep of one run says, with the package of a folder."
    log = folder / 'log'
    log.unlink(missing_ok=True)
    words = folder / 'sweep.py', folder, str(folder / 'cache')
    passed, text = fresh.run(log, fresh.script, *words)  # a fork that has not imported lgap
    assert passed, text[-2000:]
    said = json.loads(text.splitlines()[-1])
    assert said['package'] == str(folder / 'lgap' / '__init__.py')
    return said


@pytest.fixture(scope='module')
def trained(copy):
    "The sweep of the untouched package, which had everything to do."
    said = sweep(copy)
    assert not said['there']
    return said


EDITS = {
    'a loss': ('classifiers.losses', '\nEXTRA = 0.5\n', False),
    'what a loss imports': ('core', '\nEXTRA = 0.5\n', False),
    'a comment and a blank line': ('classifiers.losses', '\n\n# twice as clear\n', True),
    'a figure': ('report.figures', '\nEXTRA = 0.5\n', True),
    'a measure': ('measure.gap', '\nEXTRA = 0.5\n', True),
}


@pytest.mark.parametrize('edit', EDITS)
def test_an_edit(copy, trained, edit):
    name, added, there = EDITS[edit]
    path = module_files(copy / 'lgap')[name]
    whole = path.read_text()
    try:
        path.write_text(whole + added)
        said = sweep(copy)
    finally:
        path.write_text(whole)
    assert said['there'] == there
    assert (said['file'] == trained['file']) == there
    assert said['metrics'] == trained['metrics']  # none of these edits changes a number


def test_a_docstring_changes_nothing(copy):
    path = module_files(copy / 'lgap')['classifiers.losses']
    whole, before = path.read_text(), code_digest('classifiers.training', package=copy / 'lgap')
    try:
        path.write_text('"Another title."\n' + whole.partition('"""\n')[2])
        code_digest.cache_clear()
        assert code_digest('classifiers.training', package=copy / 'lgap') == before
        path.write_text(whole.replace('return', 'return 2 *', 1))
        code_digest.cache_clear()
        assert code_digest('classifiers.training', package=copy / 'lgap') != before
    finally:
        path.write_text(whole)
        code_digest.cache_clear()


def test_the_code_of_a_run():
    "What training imports decides its results; the list is short enough to be read."
    names = import_closure(['classifiers.training'])
    rooms = {name.partition('.')[0] for name in names}
    assert rooms <= {'core', 'store', 'data', 'autoencoders', 'classifiers'}
    deciding = ['batches', 'film', 'losses', 'matched', 'run', 'scores', 'steps', 'training']
    assert {f'classifiers.{name}' for name in deciding} <= set(names)
    assert {'core', 'autoencoders.trunk'} <= set(names)
    assert 'classifiers.checkpoints' not in names  # writes what is trained, decides nothing
