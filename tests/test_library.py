"Every library notebook runs, cell by cell, in a process of its own."

import json

import fresh
import pytest
from conftest import ROOT, long_ones

ELSEWHERE = ('paper', 'lessons')  # tests of their own
LONG = {
    'generate/08d_realism.ipynb',
    'generate/12_doses.ipynb',
    'measure/06_diagnostics.ipynb',
    'measure/08_efficiency.ipynb',
    'study/04_parts.ipynb',
    'study/12_diagnosed.ipynb',
    'sweep/01_workers.ipynb',
    'sweep/03_sweep.ipynb',
}
NOTEBOOKS = sorted(
    path.relative_to(ROOT / 'nbs').as_posix()
    for path in (ROOT / 'nbs').rglob('*.ipynb')
    if not {*ELSEWHERE, '.ipynb_checkpoints'} & set(path.parts)
)


def test_all_notebooks_are_seen(root):
    rooms = {name.rpartition('/')[0] for name in NOTEBOOKS}
    assert len(NOTEBOOKS) > 45 and set(NOTEBOOKS) > LONG
    modules = {path.parent.name for path in (root / 'lgap').rglob('__init__.py')} - {'lgap'}
    assert rooms == {'', 'cluster', 'results', *modules}


@pytest.mark.parametrize('name', long_ones(NOTEBOOKS, LONG))
def test_notebook(root, tmp_path, name):
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
