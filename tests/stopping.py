"""Processes that stop themselves right before their k-th result is put in place.

Whoever is to be killed waits for it: no test depends on how fast a machine is.
"""

import os
import time
from pathlib import Path

HOOK = """
import os
import signal
import sys
import time
from pathlib import Path

MARKER, NUMBER = Path({marker!r}), {number}


def stop(event, args):
    "The first process that is about to rename a file to the k-th one of a folder `runs`."
    if event != 'os.rename' or Path(args[1]).parent.name != 'runs':
        return
    there = [path for path in Path(args[1]).parent.glob('*.safetensors') if path.name[0] != '.']
    if len(there) != NUMBER - 1 or MARKER.exists():
        return
    try:
        with open(MARKER, 'x') as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)  # a thread may run on for a moment until all have stopped


sys.addaudithook(stop)
"""


def stopping(
    folder: Path,  # for the hook and the marker
    number: int,  # of the result
) -> dict[str, str]:
    "Environment variables with which a process stops, and what it starts, too."
    folder.mkdir(parents=True)
    text = HOOK.format(marker=str(folder / 'stopped'), number=number)
    (folder / 'sitecustomize.py').write_text(text)
    paths = [str(folder), os.environ.get('PYTHONPATH', '')]
    return dict(PYTHONPATH=os.pathsep.join(filter(None, paths)))


def wait_until_stopped(
    folder: Path,  # of `stopping`
    seconds: float = 120,
) -> int:  # process that stopped
    "Wait; `TimeoutError` when nobody stops."
    end, marker = time.time() + seconds, folder / 'stopped'
    while time.time() < end:
        text = marker.read_text() if marker.is_file() else ''
        if text and stopped(int(text)):
            return int(text)
        time.sleep(0.05)
    raise TimeoutError(f'nobody stopped within {seconds} s')


def stopped(pid: int) -> bool:
    "Whether a process stands still."
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2][0]
    except FileNotFoundError:
        return False
    return state == 'T'
