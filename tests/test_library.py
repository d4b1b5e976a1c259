"Every library notebook runs, cell by cell, in a fresh process."

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted(p.name for p in (Path(__file__).resolve().parent.parent / 'nbs').glob('*.ipynb'))


@pytest.mark.parametrize('name', NOTEBOOKS)
def test_notebook(root, name):
    r = subprocess.run(
        [f'{os.path.dirname(sys.executable)}/nbdev_test', '--path', name],
        cwd=root / 'nbs',
        capture_output=True,
        text=True,
        timeout=420,
    )
    assert r.returncode == 0 and 'Success' in r.stdout + r.stderr, (r.stdout + r.stderr)[-3000:]
