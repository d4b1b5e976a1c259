"Every library notebook runs, cell by cell, in a process of its own."

import json
import os
import subprocess
import sys
from pathlib import Path

import fresh
import pytest
from conftest import ROOT

ELSEWHERE = ('paper', 'lessons')  # tests of their own
STARTS_PROCESSES = (
    'autoencoders/07_training.ipynb',
    'autoencoders/08_pretraining.ipynb',
    'data/04_leaves.ipynb',
    'sweep/01_workers.ipynb',
    'sweep/03_sweep.ipynb',
)
NOTEBOOKS = sorted(
    path.relative_to(ROOT / 'nbs').as_posix()
    for path in (ROOT / 'nbs').rglob('*.ipynb')
    if not {*ELSEWHERE, '.ipynb_checkpoints'} & set(path.parts)
)


def test_all_notebooks_are_seen(root):
    rooms = {name.rpartition('/')[0] for name in NOTEBOOKS}
    assert len(NOTEBOOKS) > 45
    modules = {path.parent.name for path in (root / 'lgap').rglob('__init__.py')} - {'lgap'}
    assert rooms == {'', 'cluster', 'results', *modules}


def run_from_scratch(root, name):
    "A notebook that starts processes of its own, in one that was not forked."
    tester = Path(sys.executable).parent / 'nbdev_test'
    command = [str(tester), '--path', str(root / 'nbs' / name), '--n_workers', '0']
    environment = os.environ | dict(PYTHONPATH=str(root))
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize('name', NOTEBOOKS)
def test_notebook(root, tmp_path, name):
    if name in STARTS_PROCESSES:
        passed, said = run_from_scratch(root, name)
        assert passed, said[-3000:]
        return
    passed, said = fresh.run(tmp_path / 'log', fresh.library_notebook, root / 'nbs' / name, root)
    assert passed, said[-3000:]


def write_notebook(path, *sources):
    "A notebook with some code cells."
    both = dict(cell_type='code', metadata={}, outputs=[], execution_count=None)
    cells = [both | dict(source=source, id=f'c{k}') for k, source in enumerate(sources)]
    head = dict(nbformat=4, nbformat_minor=5, metadata={})
    path.write_text(json.dumps(head | dict(cells=cells)))


@pytest.mark.parametrize(
    'sources, passes',
    [
        (['a = 1', 'assert a == 1'], True),
        (['a = 1', 'assert a == 2'], False),
        (['assert a'], False),  # of another notebook's process
        (['#| eval: false\n1 / 0'], True),
        (['#| slow\n1 / 0'], True),
        (['from fastcore.test import test_eq', 'test_eq(1, 2)', 'a = 1'], False),
    ],
)
def test_a_wrong_notebook_fails(root, tmp_path, sources, passes):
    write_notebook(tmp_path / 'a.ipynb', *sources)
    passed, said = fresh.run(tmp_path / 'log', fresh.library_notebook, tmp_path / 'a.ipynb', root)
    assert passed == passes
    assert passes or 'Error' in said
