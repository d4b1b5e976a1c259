"A wheel, installed outside the checkout, has all that needs no notebook."

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRIAL = """
import lgap
from lgap.autoencoders.registry import load_autoencoder
from lgap.autoencoders.wrapper import decode, encode, psnr_ssim
from lgap.data.sources import load_benchmark
from lgap.study.profiles import load_profile

print('from', lgap.__file__)
images = load_benchmark('phantom-us', 32, 4).images()
for name in ('sd-mini', 'flux1-mini', 'flux2-mini', 'medvae-mini', 'flux2-mini+unfold'):
    ae = load_autoencoder(name)
    print(name, float(psnr_ssim(images, decode(ae, encode(ae, images), 1))[0].mean()))
try:
    load_profile('demo')
except lgap.core.InputError as error:
    print('refused:', error)
"""


@pytest.fixture(scope='module')
def outside(root, tmp_path_factory) -> Path:
    "A folder with the package as a user of pip has it, and nothing else of the checkout."
    folder = tmp_path_factory.mktemp('outside')
    pip = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
    build = ['-q', 'build', '-b', str(folder / 'build'), 'bdist_wheel', '-d', str(folder)]
    subprocess.run([sys.executable, 'setup.py', *build], check=True, cwd=root)
    made = str(next(folder.glob('lgap-*.whl')))
    install = ['install', '--no-deps', '--target', str(folder / 'site'), made]
    subprocess.run([*pip, *install], check=True, cwd=folder)
    return folder


@pytest.mark.long
def test_the_wheel_works_without_the_checkout(outside):
    "Drawn images, embedded weights; and one sentence about the notebooks."
    settings = os.environ | dict(PYTHONPATH=str(outside / 'site'))
    trial = [sys.executable, '-c', TRIAL]
    done = subprocess.run(trial, cwd=outside, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    first, *pairs, last = done.stdout.splitlines()
    assert Path(first.removeprefix('from ')).is_relative_to(outside / 'site')
    assert len(pairs) == 5 and all(float(line.split()[1]) > 20 for line in pairs)
    assert last.startswith('refused: No paper notebooks') and 'inside a clone' in last


def test_the_wheel_holds_the_package_alone(outside):
    "No notebooks, tests, results or shared data."
    found = {path.name for path in (outside / 'site').iterdir()}
    assert {name.partition('-')[0] for name in found} <= {'lgap', 'bin'}
    size = sum(path.stat().st_size for path in (outside / 'site').rglob('*') if path.is_file())
    assert size < 30 * 2**20
