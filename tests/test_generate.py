"A generator whose training is killed, wherever and however often, ends in the same bytes."

import os
import signal
import sys
from pathlib import Path

import fresh
import numpy as np
import pytest
from conftest import SEED

from lgap.store import file_digest

STEPS, SAVE_EVERY = 60, 8


def deadly(kill_at: int, kill_in_write: int):
    "The process kills itself before a step, or before it renames its k-th file."
    from lgap.generate.steps import GeneratorTraining

    whole, written = GeneratorTraining.step, [0]

    def step(self, number):
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, number)

    def write(event, args):
        if event == 'os.rename' and Path(args[1]).suffix == '.safetensors':
            written[0] += 1
            if written[0] == kill_in_write:
                os.kill(os.getpid(), signal.SIGKILL)

    GeneratorTraining.step = step
    sys.addaudithook(write)


def train(home, kill_at=-1, kill_in_write=0):
    "Train a toy, unless the process dies."
    import torch

    from lgap.generate.run import GeneratorRun
    from lgap.generate.training import train_generator

    deadly(kill_at, kill_in_write)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    latents = torch.from_numpy(rng.normal(0, 1, (80, 2, 8, 8))).float()
    run = GeneratorRun('toy', 'toy-ae', widths=(16, 16), steps=STEPS, bs=8)
    data = latents, np.arange(40) % 2, np.arange(32), 2
    train_generator(run, *data, home, 'cpu', SAVE_EVERY, progress=False)


def files(home) -> list[Path]:
    "What is in the folder of the training, temporary files aside."
    return sorted(path for path in Path(home).rglob('*.safetensors') if path.name[0] != '.')


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> str:
    "Digest of the file of a training that nobody disturbed."
    home = tmp_path_factory.mktemp('whole')
    passed, said = fresh.run(home / 'log', train, home)
    assert passed, said[-2000:]
    [final] = files(home)
    return file_digest(final)


def test_killed_five_times_at_random(tmp_path, whole):
    rng = np.random.default_rng(SEED)
    for number in sorted(rng.choice(STEPS, 5, replace=False).tolist()):
        passed, _ = fresh.run(tmp_path / 'log', train, tmp_path, kill_at=number)
        assert not passed
        kept = [path.stem for path in files(tmp_path)]
        assert len(kept) <= 2 and 'final' not in kept
        if number >= SAVE_EVERY:
            assert kept[-1] == f'step-{number // SAVE_EVERY * SAVE_EVERY:08d}'
    assert fresh.run(tmp_path / 'log', train, tmp_path)[0]
    [final] = files(tmp_path)
    assert file_digest(final) == whole


@pytest.mark.parametrize('file', [1, 3, STEPS // SAVE_EVERY + 1])
def test_killed_while_it_writes(tmp_path, whole, file):
    "The last of these is the result itself."
    assert not fresh.run(tmp_path / 'log', train, tmp_path, kill_in_write=file)[0]
    assert len(files(tmp_path)) == min(file - 1, 2)
    assert fresh.run(tmp_path / 'log', train, tmp_path)[0]
    [final] = files(tmp_path)
    assert file_digest(final) == whole


def test_a_damaged_checkpoint_is_passed_over(tmp_path, whole):
    fresh.run(tmp_path / 'log', train, tmp_path, kill_at=STEPS - 1)
    newest = files(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    passed, said = fresh.run(tmp_path / 'log', train, tmp_path)
    assert passed and 'passing it over' in said
    [final] = files(tmp_path)
    assert file_digest(final) == whole
