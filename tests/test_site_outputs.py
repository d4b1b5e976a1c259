"The site shows the outputs that notebooks keep, and starts no kernel."

import re
import shutil
from pathlib import Path

import nbformat
from conftest import load_tool

SITE = load_tool('site')


def unrunnable(source: Path, copy: Path):
    "A copy of a notebook for a kernel that does not exist, with a cell that would fail."
    nb = nbformat.read(source, 4)
    nb.metadata['kernelspec'] = dict(name='none-such', display_name='none such', language='python')
    kept = nbformat.v4.new_output('stream', text='kept from before')
    nb.cells.append(nbformat.v4.new_code_cell('raise SystemExit("was run")', outputs=[kept]))
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, copy)


def without_links(path):
    "Names stay, links to files of the checkout go."
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.source = re.sub(r'(?<!!)\[([^\[\]]*)\]\(\.\./[^)]*\)', r'\1', cell.source)
    nbformat.write(notebook, path)


def test_no_kernel_is_started(root, tmp_path):
    "The kept outputs are shown."
    figures = [path.relative_to(root) for path in (root / 'figures').glob('*/*.png')]
    for name in ('settings.ini', 'README.md', 'data/README.md', *figures):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    names = ['index', 'paper/table1_gap', 'measure/05_separability']
    for name in names:
        unrunnable(root / 'nbs' / f'{name}.ipynb', tmp_path / 'nbs' / f'{name}.ipynb')
    without_links(tmp_path / 'nbs' / 'index.ipynb')  # to what is not copied
    assert SITE.build_site(tmp_path, tmp_path / 'out') == names
    for page in (tmp_path / 'out/index.html', tmp_path / 'out/paper/table1_gap.html'):
        assert 'kept from before' in page.read_text()
