"Every lesson runs from top to bottom in a kernel, in its own folder; terms are defined where they are used first, and in the glossary."

import re
from pathlib import Path

import nbformat
import pytest

from lgap.report.reproduce import execute

LESSONS = Path(__file__).resolve().parent.parent / 'nbs' / 'lessons'
NAMES = sorted(p.stem for p in LESSONS.glob('*.ipynb'))


def test_there_are_five_and_a_glossary():
    assert [n[0] for n in NAMES if n[0].isdigit()] == list('12345') and 'glossary' in NAMES


@pytest.mark.parametrize('name', NAMES)
def test_lesson(name, tmp_path):
    execute(LESSONS / f'{name}.ipynb', tmp_path / f'{name}.ipynb')
    ran = nbformat.read(tmp_path / f'{name}.ipynb', 4)
    outputs = [o for c in ran.cells if c.cell_type == 'code' for o in c.outputs]
    if name != 'glossary':
        assert sum('image/png' in o.get('data', {}) for o in outputs) >= 2  # figures were drawn
    left = [p for p in LESSONS.iterdir() if p.suffix not in ('.ipynb', '') and p.name != '.notest']
    assert not left, f'{name} left {left}'


@pytest.mark.parametrize('name', [n for n in NAMES if n[0].isdigit()])
def test_form(name):
    "Prose first, short cells, an exercise with a check and a solution, no result typed into prose."
    cells = nbformat.read(LESSONS / f'{name}.ipynb', 4).cells
    prose = [c.source for c in cells if c.cell_type == 'markdown']
    code = [c.source for c in cells if c.cell_type == 'code' and not c.source.startswith('#| hide')]
    assert prose[0].startswith('# ') and '\n> ' in prose[0] and cells[0].cell_type == 'markdown'
    assert (
        '## Exercise' in '\n'.join(prose)
        and '<summary>Solution</summary>' in '\n'.join(prose)
        and any('answer = None' in c for c in code)
    )
    assert max(len([l for l in c.splitlines() if l.strip()]) for c in code) <= 20 and len(
        prose
    ) >= 0.8 * len(code)
    assert sum('assert ' in c for c in code) >= 6


def test_terms_are_in_the_glossary():
    plain = lambda t: re.sub(r's$', '', ' '.join(t.lower().split()))
    glossary = ''.join(
        c.source
        for c in nbformat.read(LESSONS / 'glossary.ipynb', 4).cells
        if c.cell_type == 'markdown'
    )
    rows = {
        plain(r.strip('*_ `')): line
        for line in glossary.splitlines()
        if line.startswith('|')
        for r in [line.split('|')[1].strip()]
    }
    seen = {}
    for n in NAMES:
        if n[0].isdigit():
            for c in nbformat.read(LESSONS / f'{n}.ipynb', 4).cells:
                if c.cell_type == 'markdown':
                    for t in re.findall(r'\*\*\*(.+?)\*\*\*', c.source):
                        seen.setdefault(plain(t), n)
    assert len(seen) >= 30
    for t, n in seen.items():
        assert t in rows and f'{n}.ipynb' in rows[t], (
            f'{t}, first defined in {n}, is not in the glossary with that lesson'
        )
