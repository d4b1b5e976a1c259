"The repository keeps its own rules: exports in sync, clean notebooks, one source of dependencies."

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from lgap.report.reproduce import notebook_parameters, readme_text

BIN = os.path.dirname(sys.executable)


@pytest.fixture()
def copy(root, tmp_path):
    "The tracked sources in a folder of their own, so that tools may rewrite them."
    for name in ('nbs', 'lgap'):
        shutil.copytree(
            root / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints', 'weights'),
        )
    for name in ('settings.ini', 'setup.py'):
        shutil.copy(root / name, tmp_path / name)
    subprocess.run(['git', 'init', '-q', str(tmp_path)], check=True)
    return tmp_path


def same_files(a, b, pattern):
    for p in sorted(a.rglob(pattern)):
        if '.ipynb_checkpoints' in p.parts:
            continue
        assert p.read_text() == (b / p.relative_to(a)).read_text(), f'{p.relative_to(a)} differs'


def test_export_in_sync(root, copy):
    subprocess.run([f'{BIN}/nbdev_export'], cwd=copy, check=True, timeout=120)
    assert sorted(p.name for p in (root / 'lgap').glob('*.py')) == sorted(
        p.name for p in (copy / 'lgap').glob('*.py')
    )
    same_files(root / 'lgap', copy / 'lgap', '*.py')


def test_notebooks_are_clean(root, copy):
    subprocess.run([f'{BIN}/nbdev_clean'], cwd=copy, check=True, timeout=120)
    same_files(root / 'nbs', copy / 'nbs', '*.ipynb')


def test_readme_in_sync(root):
    assert (root / 'README.md').read_text() == readme_text(root / 'nbs' / 'index.ipynb'), (
        'run `make readme`'
    )


def test_readme_links_resolve(root):
    for target in re.findall(r'\]\((?!http)([^)#]+)\)', (root / 'README.md').read_text()):
        assert (root / target).is_file(), target
    for target in re.findall(r'`(nbs/paper/[\w.]+)`', (root / 'README.md').read_text()):
        assert (root / target).is_file(), target


def test_environment_matches_settings(root):
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read(root / 'settings.ini')
    want = (cfg['DEFAULT']['requirements'] + ' ' + cfg['DEFAULT']['dev_requirements']).split()
    pip = yaml.safe_load((root / 'environment.yml').read_text())['dependencies'][-1]['pip']
    assert [p for p in pip if not p.startswith('-e')] == want


def test_every_import_is_declared(root):
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read(root / 'settings.ini')
    names = {
        re.split(r'[<>=]', r)[0].lower().replace('-', '_')
        for r in cfg['DEFAULT']['requirements'].split()
    }
    names |= {'lgap', 'sklearn', 'yaml', 'pil', 'pydicom'} | set(
        sys.stdlib_module_names
    )  # pydicom is optional and says so
    for p in (root / 'lgap').glob('*.py'):
        if p.stem == '_modidx':
            continue
        for n in ast.walk(ast.parse(p.read_text())):
            found = (
                [a.name for a in n.names]
                if isinstance(n, ast.Import)
                else [n.module]
                if isinstance(n, ast.ImportFrom) and n.level == 0
                else []
            )
            for f in found:
                assert f.split('.')[0].lower() in names, (
                    f'{p.name} imports {f}, which settings.ini does not declare'
                )


def test_sizes(root):
    for p in (root / 'nbs').rglob('*.ipynb'):
        assert p.stat().st_size < 2**20, p
    for p in (root / 'lgap').glob('*.py'):
        if p.stem != '_modidx':
            assert len(p.read_text().splitlines()) <= 260, p
    assert sum(p.stat().st_size for p in (root / 'lgap' / 'weights').glob('*')) < 20e6


def test_committed_outputs_hold_no_timing_or_paths(root):
    for p in (root / 'nbs').rglob('*.ipynb'):
        nb = nbformat.read(p, 4)
        text = p.read_text()
        assert 'execution' not in ''.join(str(c.metadata) for c in nb.cells), p
        assert not re.search(r'(^|[^a-zA-Z.])/(home|root|work|tmp)/', text), p


def test_parameters_are_documented(root):
    for p in (root / 'nbs' / 'paper').glob('*.ipynb'):
        cells = [c for c in nbformat.read(p, 4).cells if 'parameters' in c.metadata.get('tags', [])]
        assert len(cells) == 1, p
        for line in cells[0].source.splitlines():
            assert re.fullmatch(
                r'\w+: (str|int|float|bool|list\[(str|int)\]) = [^=]+  # [^=]+', line
            ), (p.name, line)


def test_the_record_is_of_the_committed_results(root):
    from lgap.report.record import read_record
    from lgap.store import file_digest

    for folder in {p.parent for p in (root / 'figures').glob('*/record.json')} | {
        root / 'figures' / 'demo'
    }:
        r = read_record(folder)
        listed = {f: d for e in r['notebooks'].values() for f, d in e['files'].items()}
        assert len(listed) >= 30
        for f, d in listed.items():
            assert file_digest(folder / f) == d, (
                f'{f} is not what the record says: make it again with lgap_reproduce'
            )
        for n, e in r['notebooks'].items():
            assert set(e['parameters']) <= set(
                notebook_parameters(root / 'nbs' / 'paper' / f'{n}.ipynb')
            ), n
        assert not any(e['changed'] for e in r['notebooks'].values()) and {
            e['environment'] for e in r['notebooks'].values()
        } == set(r['environments'])
