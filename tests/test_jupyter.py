"Every paper notebook, opened through a Jupyter server and run from top to bottom in its own folder."

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import nbformat
import pytest
import requests
import websocket

from lgap.report.plan import notebook_parameters, plan
from lgap.study.profiles import paper_dir

NAMES = sorted(
    p.stem for p in (Path(__file__).resolve().parent.parent / 'nbs' / 'paper').glob('*.ipynb')
)


@pytest.fixture(scope='module')
def server(root, tmp_path_factory):
    "A Jupyter server as `make lab` starts it, without a browser."
    run = tmp_path_factory.mktemp('jupyter')
    token = uuid.uuid4().hex
    home = os.environ | dict(
        JUPYTER_RUNTIME_DIR=str(run / 'runtime'),
        JUPYTER_DATA_DIR=str(run / 'data'),
        JUPYTER_CONFIG_DIR=str(run / 'config'),
        IPYTHONDIR=str(run / 'ipython'),
    )
    log = open(run / 'log', 'w')
    p = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'jupyter_server',
            '--no-browser',
            '--ip=127.0.0.1',
            '--port=0',
            '--allow-root',
            f'--ServerApp.root_dir={root}',
            f'--IdentityProvider.token={token}',
        ],
        env=home,
        stdout=log,
        stderr=log,
    )
    for _ in range(300):
        files = list((run / 'runtime').glob('jpserver-*.json'))
        if files or p.poll() is not None:
            break
        time.sleep(0.2)
    assert files, (run / 'log').read_text()[-2000:]
    time.sleep(0.2)
    yield json.loads(files[0].read_text())['url'].rstrip('/'), token, run
    p.terminate()
    p.wait(20)


class Kernel:
    "A kernel of the server, for one notebook."

    def __init__(self, url, token, path):
        self.url, self.head = url, dict(Authorization=f'token {token}')
        r = requests.post(
            f'{url}/api/sessions',
            headers=self.head,
            json=dict(path=path, name=path, type='notebook', kernel=dict(name='python3')),
            timeout=60,
        )
        r.raise_for_status()
        self.id, kernel = r.json()['id'], r.json()['kernel']['id']
        self.ws = websocket.create_connection(
            f'{url.replace("http", "ws", 1)}/api/kernels/{kernel}/channels',
            header=[f'Authorization: token {token}'],
            timeout=240,
        )

    def run(self, code):
        "Execute a cell; returns its outputs, raises what it raised."
        mid = uuid.uuid4().hex
        header = dict(
            msg_id=mid, msg_type='execute_request', username='', session=mid, version='5.3', date=''
        )
        self.ws.send(
            json.dumps(
                dict(
                    header=header,
                    parent_header={},
                    metadata={},
                    channel='shell',
                    buffers=[],
                    content=dict(
                        code=code,
                        silent=False,
                        store_history=True,
                        user_expressions={},
                        allow_stdin=False,
                        stop_on_error=True,
                    ),
                )
            )
        )
        out = []
        while True:
            m = json.loads(self.ws.recv())
            if m['parent_header'].get('msg_id') != mid:
                continue
            if m['msg_type'] == 'error':
                raise AssertionError('\n'.join(m['content']['traceback'])[-3000:])
            if m['msg_type'] in ('display_data', 'execute_result'):
                out.append(m['content']['data'])
            if m['msg_type'] == 'status' and m['content']['execution_state'] == 'idle':
                return out

    def close(self):
        self.ws.close()
        requests.delete(f'{self.url}/api/sessions/{self.id}', headers=self.head, timeout=60)


@pytest.mark.parametrize('name', NAMES)
def test_run_all(name, server, work):
    "Every cell as it is; after the parameters' cell the smoke values, as a reader who edits them would."
    url, token, run = server
    nb = nbformat.read(paper_dir() / f'{name}.ipynb', 4)
    known = notebook_parameters(paper_dir() / f'{name}.ipynb')
    params = (
        plan('smoke', [name])[name]
        | {k: str(d / k) for k, d in dict(cache=work, weights=run).items() if k in known}
        | dict(out_dir=str(run / 'figures'))
    )
    k = Kernel(url, token, f'nbs/paper/{name}.ipynb')
    shown = []
    try:
        assert k.run('import os; os.path.basename(os.getcwd())')[0]['text/plain'] == "'paper'"
        for c in nb.cells:
            if c.cell_type != 'code':
                continue
            shown += k.run(c.source)
            if 'parameters' in c.metadata.get('tags', []):
                k.run('\n'.join(f'{a} = {v!r}' for a, v in params.items()))
    finally:
        k.close()
    made = {
        p.suffix
        for p in (run / 'figures').glob(
            f'{name.removesuffix("_autoencoder") if name.startswith("report") else name}*'
        )
    }
    assert made, sorted(p.name for p in (run / 'figures').glob('*'))
    assert any({'image/png', 'text/html', 'text/markdown'} & set(d) for d in shown)


def test_a_widget_shows_the_sweep(server, tmp_path):
    "In a live kernel the sweep shows itself in a widget; everything is done at the end."
    url, token, _ = server
    k = Kernel(url, token, 'nbs/paper/table1_gap.ipynb')
    try:
        k.run(
            'from lgap.study.study import Study, gather\nfrom lgap.sweep.progress import Watch\nimport ipywidgets'
        )
        shown = k.run(
            f"gather(Study(benchmarks=('phantom-us',), autoencoders=('sd-mini',), n_images=240, size=32, n_folds=3, max_folds=1, image_arch='resnet-mini', latent_arch='resnet-mini', image_init='random', latent_init='random', epochs=1, bs=64, device='cpu', cache={str(tmp_path)!r})); None"
        )
        assert any('application/vnd.jupyter.widget-view+json' in d for d in shown)
        assert (
            '3 of 3 done'
            in k.run(
                'print() or [w.value for w in ipywidgets.Widget.widgets.values() if isinstance(w, ipywidgets.HTML)][-1]'
            )[0]['text/plain']
        )
    finally:
        k.close()
