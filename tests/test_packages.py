"Everything that is imported is declared, once, for pip and for conda."

import ast
import configparser
import json
import re
import sys

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NOTEBOOKS = sorted(
    path for path in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in path.parts
)
MODULES = sorted(path for path in (ROOT / 'lgap').rglob('*.py') if path.name != '_modidx.py')


@pytest.fixture(scope='module')
def settings():
    found = configparser.ConfigParser(delimiters=['='])
    found.read(ROOT / 'settings.ini')
    return found['DEFAULT']


KINDS = ('requirements', 'cluster_requirements', 'lab_requirements')
KINDS += ('inpainting_requirements', 'segmentation_requirements', 'dev_requirements')
IMPORTED_AS = dict(
    ipython='IPython',
    pillow='PIL',
    pytest_xdist='xdist',
    pyyaml='yaml',
    scikit_learn='sklearn',
    websocket_client='websocket',
)


def declared(settings, *kinds: str) -> set[str]:
    "Names under which the packages of settings.ini are imported."
    packages = ' '.join(settings[kind] for kind in kinds).split()
    names = [re.split(r'[<>=\[]', package)[0].replace('-', '_') for package in packages]
    return {IMPORTED_AS.get(name.lower(), name) for name in names}


def imported(source: str) -> set[str]:
    "Top names that some Python imports, its own package aside."
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    return {name.partition('.')[0] for name in found} - set(sys.stdlib_module_names)


def notebook_imports(path) -> set[str]:
    "What the cells of a notebook import."
    cells = json.loads(path.read_text())['cells']
    sources = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
    plain = [re.sub(r'(?m)^[%!].*$', '', source) for source in sources]
    return set().union(*map(imported, plain))


def test_environment_matches_settings(root, settings):
    want = [package for kind in KINDS for package in settings[kind].split()]
    pip = yaml.safe_load((root / 'environment.yml').read_text())['dependencies'][-1]['pip']
    assert [package for package in pip if not package.startswith('-e')] == want
    assert len(want) == len(set(want)) > 40


def test_tested_versions_are_those_that_are_wanted(root, settings):
    "constraints.txt names a version of everything declared, and one that is allowed."
    lines = (root / 'constraints.txt').read_text().splitlines()
    pinned = dict(line.split('==') for line in lines if not line.startswith('#'))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    for text in ' '.join(settings[kind] for kind in KINDS).split():
        need = Requirement(text)
        version = pinned[canonicalize_name(need.name)]
        assert need.specifier.contains(version), f'constraints.txt: {version} is no {text}'


def test_every_import_of_the_package_is_declared(settings):
    known = declared(settings, 'requirements') | {'lgap'}
    optional = {
        'pydicom',
        'dask',
        'transformers',
        'segmentation_models_pytorch',
    }  # whoever has not got them is told what to install
    found = {path: imported(path.read_text()) for path in MODULES}
    assert len(set().union(*found.values())) > 20
    wrong = {path.name: names - known - optional for path, names in found.items()}
    assert not {name: names for name, names in wrong.items() if names}


def test_every_other_import_is_declared(root, settings):
    "Notebooks, tools and tests may use what developers have."
    known = declared(settings, *KINDS) | {'lgap'}
    known |= {'pydicom', 'cloudpickle'}  # the one is optional, Dask brings the other
    scripts = [path for room in ('tests', 'tools') for path in (root / room).glob('*.py')]
    known |= {path.stem for path in scripts}
    found = {path.name: imported(path.read_text()) for path in scripts}
    found |= {path.name: notebook_imports(path) for path in NOTEBOOKS}
    assert len(found) > 85
    assert not {name: names - known for name, names in found.items() if names - known}


@pytest.mark.parametrize(
    'source, found',
    [
        ('import os, numpy as np', {'numpy'}),
        ('def f():\n    from scipy.stats import norm', {'scipy'}),
        ('from . import core', set()),
    ],
)
def test_imports_are_found(source, found):
    assert imported(source) == found
