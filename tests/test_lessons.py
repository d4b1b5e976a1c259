"Every lesson runs in a kernel, in its own folder; its terms are in the glossary."

import os
import re
from pathlib import Path

import nbformat
import pytest
from conftest import long_ones

from lgap.report.reproduce import execute

LESSONS = Path(__file__).resolve().parent.parent / 'nbs' / 'lessons'
NAMES = sorted(path.stem for path in LESSONS.glob('*.ipynb'))
NUMBERED = [name for name in NAMES if name[0].isdigit()]
TWICE = NUMBERED if os.environ.get('LGAP_TWICE') else NUMBERED[:2]  # the others train for longer


def cells_of(name: str, kind: str) -> list[str]:
    "Sources of the cells of one kind."
    cells = nbformat.read(LESSONS / f'{name}.ipynb', 4).cells
    return [cell.source for cell in cells if cell.cell_type == kind]


def test_there_are_seven_and_pages_beside_them():
    assert [name[0] for name in NUMBERED] == list('0123456')
    assert {'glossary', 'lecturer', 'questions', 'answers'} == set(NAMES) - set(NUMBERED)


def run_twice(name: str, folder: Path) -> Path:  # a copy, whose code cells come a second time
    "A lesson whose reader presses Run All again, in the same kernel."
    notebook = nbformat.read(LESSONS / f'{name}.ipynb', 4)
    again = [nbformat.v4.new_code_cell(source) for source in cells_of(name, 'code')]
    notebook.cells += again
    path = folder / 'again' / f'{name}.ipynb'
    path.parent.mkdir()
    nbformat.write(notebook, path)
    return path


def run(source: Path, tmp_path: Path):
    "Execute a lesson; it must draw, and leave nothing behind."
    name = source.stem
    execute(source, tmp_path / f'{name}.ipynb')
    ran = nbformat.read(tmp_path / f'{name}.ipynb', 4)
    drawn = 0
    for cell in ran.cells:
        drawn += sum('image/png' in out.get('data', {}) for out in cell.get('outputs', []))
    if name in NUMBERED:
        assert drawn >= 2
    known = ('.ipynb', '')
    left = [p for p in LESSONS.iterdir() if p.suffix not in known and p.name != '.notest']
    assert not left, f'{name} left {left}'


@pytest.mark.parametrize('name', long_ones(NAMES, set(NUMBERED[2:])))
def test_lesson(name, tmp_path):
    run(LESSONS / f'{name}.ipynb', tmp_path)


@pytest.mark.long
@pytest.mark.parametrize('name', TWICE)
def test_run_all_twice(name, tmp_path):
    run(run_twice(name, tmp_path), tmp_path)


@pytest.mark.parametrize('name', NUMBERED)
def test_prose_and_exercises(name):
    "Prose first, short cells, an exercise with a check and a solution."
    prose, code = cells_of(name, 'markdown'), cells_of(name, 'code')
    code = [source for source in code if not source.startswith('#| hide')]
    first = nbformat.read(LESSONS / f'{name}.ipynb', 4).cells[0]
    assert first.source == prose[0] and prose[0].startswith('# ') and '\n> ' in prose[0]
    text = '\n'.join(prose)
    assert '## Exercise' in text and '<summary>Solution</summary>' in text
    assert any('answer = None' in source for source in code)
    lengths = [len(re.findall(r'(?m)^.*\S.*$', source)) for source in code]
    assert max(lengths) <= 20
    assert len(prose) >= 0.8 * len(code)
    assert sum('assert ' in source for source in code) >= 6


def plain(term: str) -> str:
    "A term without capitals, marks and the plural's s."
    return re.sub(r's$', '', ' '.join(term.strip('*_ `').lower().split()))


def first_uses() -> dict[str, str]:
    "Term -> lesson in which it is set in bold italics first."
    found = {}
    for name in NUMBERED:
        for term in re.findall(r'\*\*\*(.+?)\*\*\*', '\n'.join(cells_of(name, 'markdown'))):
            found.setdefault(plain(term), name)
    return found


def test_terms_are_in_the_glossary():
    lines = '\n'.join(cells_of('glossary', 'markdown')).splitlines()
    rows = {plain(line.split('|')[1]): line for line in lines if line.startswith('|')}
    terms = first_uses()
    assert len(terms) >= 30
    for term, name in terms.items():
        assert term in rows, f'{term}, first defined in {name}, is not in the glossary'
        assert f'{name}.ipynb' in rows[term], f'{term} is first defined in {name}'
