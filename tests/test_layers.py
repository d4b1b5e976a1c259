"Modules import from their own room and from lower ones."

import ast
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from lgap.store import imported_modules, module_files

LAYERS = [
    ['core'],
    ['store'],
    ['journal'],
    ['data'],
    ['autoencoders'],
    ['classifiers'],
    ['measure', 'sweep'],  # neither sees the other
    ['study'],
    ['remedy'],
    ['generate'],
    ['segment'],
    ['report'],
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FILES = module_files()


def room(name: str) -> str:
    "The room of a module: 'measure' of 'measure.gap', 'core' of 'core'."
    return name.partition('.')[0]


def upward(
    name: str,  # module without the package's name
    source: str,  # its code
) -> list[str]:
    "Imports of a module that the layers forbid."
    found = imported_modules(name, ast.parse(source))
    return sorted(
        other
        for other in found
        if room(other) != room(name) and RANK.get(room(other), len(LAYERS)) >= RANK[room(name)]
    )


def test_all_modules_are_seen():
    assert len(FILES) > 40
    assert {room(name) for name in FILES} == set(RANK)


@pytest.mark.parametrize('name', FILES)
def test_imports_go_down(name):
    assert not upward(name, FILES[name].read_text())


@pytest.mark.parametrize(
    'name, source, found',
    [
        ('data.benchmark', 'from ..study.study import Study', ['study.study', 'study.study.Study']),
        ('data.benchmark', 'import lgap.report.record', ['report.record']),
        ('core', 'from .store import digest', ['store', 'store.digest']),
        ('core', 'def late():\n    from lgap.journal import note', ['journal', 'journal.note']),
        ('measure.gap', 'from ..sweep import sweep', ['sweep', 'sweep.sweep']),
        ('sweep.sweep', 'from ..measure import gap', ['measure', 'measure.gap']),
        ('study.parts', 'from ..attic.old import thing', ['attic.old', 'attic.old.thing']),
        ('study.parts', 'from .study import Study\nfrom ..core import require', []),
    ],
)
def test_upward_imports_are_refused(name, source, found):
    assert upward(name, source) == found


def test_the_journal_stands_alone():
    "It only tells what happens, so no cache key knows it; it may not compute anything."
    assert not imported_modules('journal', ast.parse(FILES['journal'].read_text()))


def test_rooms_hold_no_code_of_their_own():
    "An empty `__init__.py`: names are imported from the module itself."
    package = FILES['core'].parent
    rooms = [path for path in package.rglob('__init__.py') if path.parent != package]
    assert len(rooms) == 10
    assert not [path for path in rooms if path.read_text().strip()]


LATE = ('diffusers', 'transformers')  # seconds of import, of use where images are encoded


@pytest.mark.parametrize('name, found', [('classifiers.training', []), ('generate.denoiser', LATE)])
def test_training_on_latents_imports_no_networks_of_diffusers(name, found):
    "Nor does a worker that does nothing else; generators are made of them."
    code = f'import sys, lgap.{name}; print([name for name in {LATE} if name in sys.modules])'
    environment = os.environ | dict(PYTHONPATH=str(ROOT))
    command = [sys.executable, '-c', code]
    said = subprocess.check_output(command, text=True, env=environment)
    assert said.strip() == str(list(found))
