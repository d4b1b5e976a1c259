"""Functions and notebooks in processes of their own, which start quickly.

A server that has imported the large packages, and nothing of lgap, forks a process for each call:
what one does is unknown to the next, and none waits for torch.
"""

import json
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(
    [
        'dask',
        'diffusers.models.autoencoders.autoencoder_kl',
        'diffusers.models.autoencoders.autoencoder_kl_flux2',
        'ipykernel.debugger',
        'ipykernel.kernelapp',
        'joblib',
        'matplotlib.pyplot',
        'medmnist',
        'nbdev.test',
        'nbformat',
        'PIL.GifImagePlugin',
        'pandas',
        'pandas.io.formats.style',
        'papermill',
        'pytest',
        'scipy.stats',
        'seaborn',
        'sklearn.decomposition',
        'sklearn.linear_model',
        'sklearn.model_selection',
        'timm',
        'torchmetrics.image',
        'torchvision',
    ]
)


def in_the_child(log: Path, environment: dict, fn: Callable, args: tuple, named: dict):
    "Target of a process: a call whose messages, and those of its own children, go to a file."
    os.environ.clear()  # the server's are from before the tests
    os.environ.update(environment)
    with open(log, 'a', buffering=1) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, 'w', 1, closefd=False) for stream in (1, 2))
    os.setsid()  # whoever kills the group reaches what this process starts
    try:
        fn(*args, **named)
    finally:
        dismiss_workers()


def dismiss_workers():
    "End joblib's workers, for which a forked process would wait until they have idled long enough."
    from joblib.externals.loky import reusable_executor

    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)


def start(log: Path, fn: Callable, *args, **named) -> multiprocessing.Process:
    "A call in a fresh process; its messages are appended to `log`."
    target = dict(target=in_the_child, args=(log, dict(os.environ), fn, args, named))
    process = CONTEXT.Process(**target)
    process.start()
    return process


def run(log: Path, fn: Callable, *args, timeout: float = 300, **named) -> tuple[bool, str]:
    "Whether a call in a fresh process ends well, and what it said."
    process = start(log, fn, *args, **named)
    process.join(timeout)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)  # and what it has started
        process.join()
        return False, f'{log.read_text()}\nkilled after {timeout} s'
    return process.exitcode == 0, log.read_text()


def library_notebook(path: Path, root: Path):
    "All cells of a library notebook, as nbdev_test runs them."
    from nbdev.test import test_nb

    settings = ConfigParser(delimiters=['='])
    settings.read(root / 'settings.ini')
    passed, _ = test_nb(path, skip_flags=settings['DEFAULT']['tst_flags'].split(), basepath=root)
    sys.exit(not passed)


def paper_notebook(path: Path, parameters: dict):
    "All cells of a paper notebook, the parameters set right behind their defaults."
    os.chdir(path.parent)
    space = dict(__name__='__main__')
    for cell in json.loads(path.read_text())['cells']:
        if cell['cell_type'] == 'code':
            exec(''.join(cell['source']), space)
        if 'parameters' in cell['metadata'].get('tags', []):
            space |= parameters


def script(path: Path, folder: Path, *words: str):
    "A script, with a folder in which modules are looked for first."
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.argv = [str(path), *words]
    runpy.run_path(str(path), run_name='__main__')


def console(name: str, *words: str):
    "A command of settings.ini with its words, as its script in `bin` would run it."
    settings = ConfigParser(delimiters=['='])
    settings.read(Path(__file__).parent.parent / 'settings.ini')
    scripts = dict(line.split('=') for line in settings['DEFAULT']['console_scripts'].split())
    module, function = scripts[name].split(':')
    sys.argv = [name, *words]
    script = f'import sys\nfrom {module} import {function}\nsys.exit({function}())'
    place = str(Path(sys.executable).parent / name)  # where pip puts such a script
    exec(compile(script, place, 'exec'), dict(__name__='__main__', __file__=place))
