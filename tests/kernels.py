"""Jupyter kernels that start quickly: forked, as the processes of `fresh`, with packages imported.

Whoever starts a kernel by its specification starts this file, which asks the test process that
serves an address for a fork, forwards interrupts to it, and ends with it; whichever of the two
dies takes the other along. Without an address it is an ordinary kernel.
"""

import json
import os
import select
import signal
import site
import socket
import sys
import threading
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

ADDRESS = 'LGAP_FORKED_KERNELS'  # environment variable: a Unix socket
INTERRUPT = b'i'


# The process that Jupyter starts
def stand_in(address: str, arguments: list[str]):
    "Ask for a kernel and live as long as it, and as the process that wants it."
    wanted_by = os.getppid()
    line = socket.socket(socket.AF_UNIX)
    line.connect(address)
    signal.signal(signal.SIGINT, lambda *_: line.send(INTERRUPT))
    asked = dict(arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))
    socket.send_fds(line, [b'\0'], [1, 2])
    line.sendall(json.dumps(asked).encode() + b'\n')
    while os.getppid() == wanted_by:
        ready, _, _ = select.select([line], [], [], 0.5)
        if ready and not line.recv(1):
            return


def main():
    address = os.environ.get(ADDRESS)
    if not address:
        os.execv(sys.executable, [sys.executable, '-m', 'ipykernel_launcher', *sys.argv[1:]])
    stand_in(address, sys.argv[1:])


# The fork
def receive(line: socket.socket) -> dict:
    "What was asked; messages go from now on to where the asking process has them."
    _, streams, _, _ = socket.recv_fds(line, 1, 2)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    with line.makefile() as file:
        return json.loads(file.readline())


def obey(line: socket.socket):
    "Interrupt when told to; end when nobody listens any more."
    while line.recv(1) == INTERRUPT:
        os.kill(os.getpid(), signal.SIGINT)
    os.killpg(os.getpid(), signal.SIGKILL)  # with what the kernel has started


def forget_the_terminal():
    "What was decided when a package was imported without a kernel; pyplot's backend is an option."
    for name in ('tqdm.auto', 'tqdm.autonotebook'):
        sys.modules.pop(name, None)


def kernel(line: socket.socket):
    "Target of the process."
    os.setsid()
    asked = receive(line)
    os.chdir(asked['folder'])
    os.environ.clear()
    os.environ.update(asked['environment'])
    os.environ.pop('JPY_PARENT_PID', None)  # `obey` looks after that
    paths = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
    sys.path[:0] = ['', *paths]
    site.execsitecustomize()  # as a process that starts with these paths does
    sys.stdout, sys.stderr = (os.fdopen(stream, 'w', 1, closefd=False) for stream in (1, 2))
    forget_the_terminal()
    sys.argv = ['ipykernel_launcher', *asked['arguments'], '--matplotlib=inline']
    threading.Thread(target=obey, args=(line,), daemon=True).start()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


# The test process
def serve(address: Path, context: BaseContext):
    "Fork a kernel for everyone who asks, until the process ends."
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    while True:
        line, _ = listener.accept()
        with line:
            context.Process(target=kernel, args=(line,)).start()


def use_forked_kernels(home: Path):
    "From now on `python3` is a forked kernel for this process and for those that it starts."
    folder = home / 'kernels' / 'python3'
    folder.mkdir(parents=True)
    command = [sys.executable, str(Path(__file__)), '-f', '{connection_file}']
    said = dict(argv=command, display_name='Python 3', language='python')
    (folder / 'kernel.json').write_text(json.dumps(said))
    from fresh import CONTEXT

    forkserver.ensure_running()  # before a test changes what all would inherit
    address = home / 'socket'
    threading.Thread(target=serve, args=(address, CONTEXT), daemon=True).start()
    os.environ |= {ADDRESS: str(address), 'JUPYTER_PATH': str(home)}


if __name__ == '__main__':
    main()
