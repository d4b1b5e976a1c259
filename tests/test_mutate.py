"The script that breaks lines which decide a number."

import shutil

import pytest
from conftest import load_tool

MUTATE = load_tool('mutate')


@pytest.mark.parametrize('change', MUTATE.MUTATIONS, ids=lambda change: change.what)
def test_each_change_finds_its_line(root, tmp_path, change):
    "The line stands once in the exported cells, and is another one afterwards."
    path = tmp_path / 'copy.ipynb'
    shutil.copy(root / 'nbs' / f'{change.notebook}.ipynb', path)
    MUTATE.mutate(path, change)
    with pytest.raises(SystemExit, match='stands 0 times'):
        MUTATE.mutate(path, change)


def test_a_notebook_that_fails_unchanged_notices_nothing(monkeypatch):
    "It would fail with any change."
    change = MUTATE.Mutation('a line', 'data/00_a', 'x = 1', 'x = 2', ('data/01_b',))
    failures = {'data/00_a': '', 'data/01_b': 'KeyError: 3'}
    monkeypatch.setattr(MUTATE, 'COPIED', ())
    monkeypatch.setattr(MUTATE, 'run_notebook', lambda copy, name: failures[name])
    with pytest.raises(SystemExit, match=r'data/01_b fails without a change.*KeyError: 3'):
        MUTATE.check_unchanged([change])
    failures['data/01_b'] = ''
    MUTATE.check_unchanged([change])


def test_the_last_line_of_a_failure():
    said = 'Traceback\n  assert x\nAssertionError: 1 is not 2\n\n\nnbdev Tests Failed On:\n====\na'
    assert MUTATE.last_line(said) == 'AssertionError: 1 is not 2'
