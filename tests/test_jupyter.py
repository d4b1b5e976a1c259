"Paper notebooks, opened through a Jupyter server and run from top to bottom in their folder."

import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import requests
import websocket
from smoke import HTML, MADE, PNG, TEXT, shown, smoke_job

from lgap.study.profiles import paper_dir

# A figure that runs nothing, the table that trains, a figure of the generators, and the report,
# which the smoke run cannot share. Papermill runs them all.
OPENED = ('fig1_overview', 'table1_gap', 'train_generators', 'report_autoencoder')


@dataclass
class Server:
    "A running Jupyter server."

    url: str
    token: str

    @property
    def head(self) -> dict[str, str]:
        return dict(Authorization=f'token {self.token}')


def server_command(root: Path, token: str) -> list[str]:
    "As `make lab` starts it, without a browser."
    options = ['--no-browser', '--ip=127.0.0.1', '--port=0', '--allow-root']
    options += [f'--ServerApp.root_dir={root}', f'--IdentityProvider.token={token}']
    return [sys.executable, '-m', 'jupyter_server', *options]


def wait_for_address(folder: Path, process: subprocess.Popen, seconds: float = 60) -> str:
    "Address of the server, which it writes into its runtime folder."
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        for path in folder.glob('jpserver-*.json'):
            text = path.read_text()
            if text.strip().endswith('}'):
                return json.loads(text)['url'].rstrip('/')
        time.sleep(0.1)
    raise TimeoutError('the server does not say where it is')


@pytest.fixture(scope='module')
def server(root, tmp_path_factory):
    home, token = tmp_path_factory.mktemp('jupyter'), uuid.uuid4().hex
    names = ('JUPYTER_RUNTIME_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_CONFIG_DIR', 'IPYTHONDIR')
    folders = {name: str(home / name.lower()) for name in names}
    with open(home / 'log', 'w') as log:
        command, where = server_command(root, token), os.environ | folders
        process = subprocess.Popen(command, env=where, stdout=log, stderr=log)
    try:
        url = wait_for_address(Path(folders['JUPYTER_RUNTIME_DIR']), process)
        yield Server(url, token)
    finally:
        process.terminate()
        process.wait(20)


class Kernel:
    "A kernel of the server, for one notebook."

    def __init__(self, server: Server, path: str):
        self.server, name = server, dict(name='python3')
        asked = dict(path=path, name=path, type='notebook', kernel=name)
        where = f'{server.url}/api/sessions'
        reply = requests.post(where, headers=server.head, json=asked, timeout=60)
        reply.raise_for_status()
        self.session, kernel = reply.json()['id'], reply.json()['kernel']['id']
        where = f'{server.url.replace("http", "ws", 1)}/api/kernels/{kernel}/channels'
        head = [f'Authorization: {server.head["Authorization"]}']
        self.socket = websocket.create_connection(where, header=head, timeout=240)

    def __enter__(self) -> 'Kernel':
        return self

    def __exit__(self, *error):
        self.socket.close()
        where = f'{self.server.url}/api/sessions/{self.session}'
        requests.delete(where, headers=self.server.head, timeout=60)

    def send(self, code: str) -> str:  # number of the message
        "Ask for the execution of a cell."
        number = uuid.uuid4().hex
        kind = dict(msg_type='execute_request', version='5.3', username='', date='')
        header = kind | dict(msg_id=number, session=number)
        content = dict(code=code, silent=False, store_history=True, user_expressions={})
        content |= dict(allow_stdin=False, stop_on_error=True)
        empty = dict(parent_header={}, metadata={}, channel='shell', buffers=[])
        self.socket.send(json.dumps(dict(header=header, content=content) | empty))
        return number

    def run(self, code: str) -> list[dict]:
        "Outputs of a cell: kind -> data of each; raises what it raised."
        number, shown = self.send(code), []
        while True:
            message = json.loads(self.socket.recv())
            kind, content = message['msg_type'], message['content']
            if message['parent_header'].get('msg_id') != number:
                continue
            if kind == 'error':
                raise AssertionError('\n'.join(content['traceback'])[-3000:])
            if kind in ('display_data', 'execute_result'):
                shown.append(content['data'])
            if kind == 'status' and content['execution_state'] == 'idle':
                return shown


def run_notebook(kernel: Kernel, name: str, values: dict) -> set[str]:  # kinds of outputs
    "Every cell as it is; after the parameters, other ones, as a reader who edits them would."
    kinds = set()
    for cell in nbformat.read(paper_dir() / f'{name}.ipynb', 4).cells:
        if cell.cell_type != 'code':
            continue
        for data in kernel.run(cell.source):
            kinds |= set(data)
        if 'parameters' in cell.metadata.get('tags', []):
            kernel.run('\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    return kinds


@pytest.mark.parametrize('name', OPENED)
def test_run_all(name, server, smoked, tmp_path):
    "Runs that are there are read; figures and tables go to a folder of their own."
    smoked(name if name in MADE else 'fig7_diagnostics')
    places = dict(out_dir=str(tmp_path / 'figures'))
    job = smoke_job(name, smoked.home, **places)
    with Kernel(server, f'nbs/paper/{name}.ipynb') as kernel:
        assert 'paper' in kernel.run('import os; os.path.basename(os.getcwd())')[0]['text/plain']
        kinds = run_notebook(kernel, name, job.parameters)
    made = sorted(path.name for path in (tmp_path / 'figures').iterdir())
    assert shown(name) <= kinds
    if name in MADE:
        assert set(smoked(name)) <= set(made)
    else:
        assert {'report.json', 'gap.png', 'examples.png', 'diagnostics.csv'} <= set(made)


def test_a_missing_output_is_noticed(server):
    "The check of what is shown can fail."
    with Kernel(server, 'nbs/paper/table1_gap.ipynb') as kernel:
        assert not {PNG, HTML, TEXT} & set(kernel.run('1 + 1')[0])
        with pytest.raises(AssertionError, match='ZeroDivisionError'):
            kernel.run('1 / 0')


def test_a_widget_shows_the_sweep(server, root, tmp_path):
    "In a live kernel a sweep has a bar; everything is done at the end."
    code = f"""
        import sys
        sys.path.insert(0, {str(root / 'tests')!r})
        from small import small_study
        from lgap.study.parts import gather
        study = small_study({str(tmp_path)!r}, max_folds=1, progress=True)
        found = gather(study)
    """
    last = 'import ipywidgets\n[w.value for w in ipywidgets.Widget.widgets.values()'
    last += ' if isinstance(w, ipywidgets.HTML)]'
    with Kernel(server, 'nbs/paper/table1_gap.ipynb') as kernel:
        shown = kernel.run('\n'.join(line.strip() for line in code.splitlines()))
        assert any('application/vnd.jupyter.widget-view+json' in data for data in shown)
        assert '3/3' in kernel.run(last)[0]['text/plain']
