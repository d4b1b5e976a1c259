"The code has the form that CONTRIBUTING.md describes; a fault planted in each rule is found."

import json
import shutil
import subprocess
import sys

import pytest
from conftest import load_tool

SHARE_OF_EXAMPLES, NOTEBOOKS_WITH_PICTURES, LIBRARY_NOTEBOOKS = 0.65, 30, 45
WIDE = "text = '" + 'x' * 100 + "'\n"
LONG = 'def f():\n    "Doc."\n' + '    print()\n' * 26
DOCUMENTED = (
    'def f(\n' + ''.join(f'    a{k},\n' for k in range(30)) + '):\n    "Doc."\n    return 0\n'
)
CELL = '#| export\ndef f():\n    "Doc."\n    return 1'


@pytest.fixture(scope='module')
def form():
    return load_tool('form')


def ruff(*words, cwd):
    command = [sys.executable, '-m', 'ruff', *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def notebook(path, *cells):
    "A notebook of code cells; a cell that begins with '>' is prose."
    kinds = ['markdown' if cell.startswith('>') else 'code' for cell in cells]
    both = [dict(cell_type=kind, source=[cell]) for kind, cell in zip(kinds, cells)]
    path.write_text(json.dumps(dict(cells=both)))
    return path


@pytest.mark.parametrize('words', [('format', '--check', '.'), ('check', '.')], ids=' '.join)
def test_ruff(root, words):
    found = ruff(*words, cwd=root)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr


@pytest.mark.parametrize(
    'words, source, said',
    [
        (('format', '--check', '.'), 'a = "double"\n', 'would be reformatted'),
        (('check', '.'), 'import os\n', 'F401'),
        (('check', '.'), 'a = 1; b = 2\n', 'E702'),
        (('check', '.'), 'f = lambda x: x\n', 'E731'),
        (('check', '.'), WIDE, 'E501'),
    ],
)
def test_ruff_sees_notebooks(root, tmp_path, words, source, said):
    shutil.copy(root / 'pyproject.toml', tmp_path)
    head = dict(nbformat=4, nbformat_minor=5, metadata={})
    cell = dict(cell_type='code', id='a', metadata={}, outputs=[], execution_count=None)
    (tmp_path / 'a.ipynb').write_text(json.dumps(head | dict(cells=[cell | dict(source=source)])))
    found = ruff(*words, cwd=tmp_path)
    assert found.returncode == 1 and said in found.stdout + found.stderr


def test_no_faults(form):
    files = form.all_files()
    assert sum('lgap' in path.parts for path in files) > 40
    assert sum(path.suffix == '.ipynb' for path in files) > 60
    faults = [fault for path in files for fault in form.check_file(path)]
    assert not faults, '\n'.join(map(str, faults))


def test_examples_and_pictures(form):
    notebooks = [path for path in form.all_files() if form.is_library(path)]
    numbers = form.library_numbers(notebooks)
    assert len(notebooks) >= LIBRARY_NOTEBOOKS
    assert numbers['shown'] >= SHARE_OF_EXAMPLES * numbers['exported'] > 0, numbers
    assert numbers['pictures'] >= NOTEBOOKS_WITH_PICTURES, numbers


@pytest.mark.parametrize(
    'source, said',
    [
        (WIDE, '109 columns'),
        (LONG, 'f has 26 lines'),
        (LONG.replace('def', 'async def'), 'f has 26 lines'),
        ('a = [[i for i in j] for j in k]\n', 'a comprehension inside another'),
        ('a = sum(i for i in {j for j in k})\n', 'a comprehension inside another'),
        ('a = [i for i in j], [i for i in j]\n', 'two comprehensions on one line'),
        ('f = lambda x: x\n', 'a lambda with a name'),
        ('f, g = 1, lambda x: x\n', 'a lambda with a name'),
        ('a = 1\n' * 301, '301 lines'),
        ('a = (\n', 'cannot be read'),
    ],
)
@pytest.mark.parametrize('kind', ['.py', '.ipynb'])
def test_faults_are_found(form, tmp_path, source, said, kind):
    path = tmp_path / f'a{kind}'
    path.write_text(source)
    if kind == '.ipynb':
        notebook(path, '> prose', source)
    faults = form.check_file(path)
    if '301' in said and kind == '.ipynb':  # only modules have a length
        assert not faults
        return
    assert [fault.path for fault in faults] == [path] and said in faults[0].what


def test_good_form_is_no_fault(form, tmp_path):
    "Documented parameters count for nothing, lambdas as arguments are fine, magics are no Python."
    rows = 'a = [\n    i\n    for i in j\n]\nb = [i for i in j]\n'
    path = notebook(tmp_path / 'a.ipynb', DOCUMENTED, rows, 'a.sort(key=lambda x: x)', '%%time\n(')
    assert not form.check_file(path)


def test_examples_are_counted(form, tmp_path):
    shown = notebook(tmp_path / 'shown.ipynb', '#| default_exp a', CELL, 'assert f() == 1')
    assert form.is_library(shown) and form.examples(shown) == ([], 1)
    for after in ('> prose', '#| hide\nf()', '%%time\nf()', CELL):
        path = notebook(tmp_path / 'a.ipynb', CELL, after, 'f()')
        missing, exported = form.examples(path)
        assert missing == ['f'] and exported == 1 + (after == CELL)
    assert form.examples(notebook(path, '#| export\nimport os')) == ([], 0)
    assert form.examples(notebook(path, '#|export\n@patch\ndef g(): 1'))[0] == ['g']


def test_pictures_are_counted(form, tmp_path):
    draws = 'fig, ax = plt.subplots()\nax.plot([1, 2])'
    assert form.has_picture(notebook(tmp_path / 'a.ipynb', draws))
    assert not form.has_picture(
        notebook(tmp_path / 'a.ipynb', f'#| export\n{draws}', '> plt.plot(')
    )


def test_command(form, tmp_path, capsys):
    path = notebook(tmp_path / 'a.ipynb', '#| default_exp a', CELL)
    assert form.main([str(path)]) == 0
    assert (
        '1 files, 0 faults; 0 of 1 exported cells with an example; 0 pictures'
        in capsys.readouterr().out
    )
    assert form.main(['-v', str(tmp_path)]) == 0 and 'f: no example' in capsys.readouterr().out
    (tmp_path / 'b.py').write_text(WIDE)
    assert form.main([str(tmp_path)]) == 1 and '2 files, 1 faults' in capsys.readouterr().out
