"Damage, full disks and interruptions never give a wrong or half result."

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import fresh
import numpy as np
import pytest
import torch
from small import gap_csv, results, small_study, write_gaps

from lgap.autoencoders.encoded import encode_benchmark
from lgap.autoencoders.registry import embedded_autoencoder
from lgap.core import InputError
from lgap.data.sources import phantom
from lgap.journal import latest_journal, read_journal
from lgap.store import load_tensors, remove_leftovers, save_tensors
from lgap.study.narrowing import method_replicates, narrow, narrowing_table
from lgap.study.parts import gather, open_study
from lgap.sweep.progress import state_line, sweep_state
from lgap.sweep.sweep import SweepError

KILLS, DAMAGES, ROUNDS = 12, 5, 60
DAMAGE = ('truncated', 'flipped', 'exchanged')


@dataclass
class Whole:
    "The undisturbed study."

    table: str
    files: dict[str, bytes]
    seconds: float


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Whole:
    folder = tmp_path_factory.mktemp('whole')
    log, table = folder / 'log', folder / 'table.csv'
    fresh.run(log, write_gaps, folder / 'warm.csv', folder / 'warm', max_folds=1)
    start = time.time()
    passed, said = fresh.run(log, write_gaps, table, folder / 'cache')
    assert passed, said
    return Whole(table.read_text(), results(folder / 'cache'), time.time() - start)


def damage(path: Path, kind: str, other: Path, rng):
    "Truncate a file, flip a bit of it, or put another whole file in its place."
    raw = bytearray(path.read_bytes())
    if kind == 'truncated':
        path.write_bytes(raw[: int(rng.integers(0, len(raw)))])
    elif kind == 'flipped':
        at = int(rng.integers(8, len(raw)))
        raw[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
    else:
        path.write_bytes(other.read_bytes())


def is_half(path: Path) -> bool:
    "Whether it holds the weights of a run that was killed before its result: it is made anew."
    return path.parent.name == 'weights' and not (path.parent.parent / path.name).exists()


@dataclass
class Victim:
    "A study that is killed and whose files are damaged, again and again."

    home: Path
    rng: np.random.Generator
    kills: int = 0
    damages: int = 0
    begun: int = 0  # caches so far; each ends with a study that was quicker than the killer
    hurt: list = field(default_factory=list)  # (file, damage, length of the log before)

    @property
    def cache(self) -> Path:
        return self.home / str(self.begun)

    @property
    def log(self) -> Path:
        return self.home / 'log'

    @property
    def table(self) -> Path:
        return self.home / f'{self.begun}.csv'

    def go_on(self, seconds: float | None) -> bool:  # whether the study ended
        "Start or continue the study, and kill it after so many seconds."
        jobs = 2 if self.kills == 5 else 1
        process = fresh.start(self.log, write_gaps, self.table, self.cache, n_jobs=jobs)
        process.join(seconds)
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
            process.join()
            self.kills += 1
        assert process.exitcode in (0, -signal.SIGKILL), self.log.read_text()[-2000:]
        return process.exitcode == 0

    def hurt_a_file(self):
        "Damage a file that is still whole, if there are two."
        known = [path for path, *_ in self.hurt]
        whole = [self.cache / name for name in results(self.cache)]
        choice = [path for path in whole if path not in known and not is_half(path)]
        if len(choice) < 2:
            return
        path, other = (choice[k] for k in self.rng.choice(len(choice), 2, replace=False))
        kind = DAMAGE[self.damages % 3]
        damage(path, kind, other, self.rng)
        self.hurt.append((path, kind, self.log.stat().st_size))
        self.damages += 1

    def check(self, whole: Whole):
        "The study ended: all is as if nothing had happened, and every damage was reported."
        assert self.table.read_text() == whole.table
        assert results(self.cache) == whole.files
        said = self.log.read_bytes()
        for path, kind, at in self.hurt:
            seen = path.name.encode() in said[at:]
            assert seen, f'{path.name} was {kind}, which nobody noticed'

    def check_leftovers(self):
        "What killed processes left is known by its name, and little; nothing else is there."
        files = [path for path in self.cache.rglob('*') if path.is_file()]
        left = [path for path in files if path.name.startswith('.')]
        assert {path.suffix for path in files if path not in left} == {'.safetensors', '.jsonl'}
        assert len(left) <= 2 * self.kills  # two processes write at most
        assert remove_leftovers(self.cache, hours=0) == len(left)
        assert not any(path.exists() for path in left)

    def begin_again(self):
        "Another cache."
        self.begun, self.hurt = self.begun + 1, []


@pytest.mark.long
def test_killed_and_damaged(whole, tmp_path, rng):
    "Killed at random moments, a file damaged after each: the study ends with the bytes of `whole`."
    victim, ended = Victim(tmp_path, rng), False
    for _ in range(ROUNDS):
        more = victim.kills < KILLS or victim.damages < DAMAGES
        ended = victim.go_on(rng.uniform(0.3, 0.95) * whole.seconds if more else None)
        if not ended:
            victim.hurt_a_file()
            continue
        victim.check(whole)
        victim.check_leftovers()
        if not more:
            break
        victim.begin_again()
    assert ended and victim.kills >= KILLS and victim.damages >= DAMAGES, victim


def test_half_files_are_leftovers(tmp_path):
    "A process killed while it writes leaves a file that nothing reads and that can be removed."
    path = tmp_path / 'a.safetensors'
    passed, _ = fresh.run(tmp_path / 'log', die_while_writing, path)
    half = [one for one in tmp_path.iterdir() if one.name.startswith('.')]
    assert not passed and not path.exists() and len(half) == 1
    assert remove_leftovers(tmp_path) == 0  # it is young: somebody may still be writing
    assert remove_leftovers(tmp_path, hours=0) == 1 and not half[0].exists()


def die_while_writing(path: Path):
    "Write half a file, then die."
    from lgap.store import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_bytes(b'half')
        os.kill(os.getpid(), signal.SIGKILL)


def test_two_processes_share_a_cache(whole, tmp_path):
    cache, logs = tmp_path / 'cache', [tmp_path / 'log0', tmp_path / 'log1']
    tables = [log.with_suffix('.csv') for log in logs]
    both = [fresh.start(log, write_gaps, table, cache) for log, table in zip(logs, tables)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert [table.read_text() for table in tables] == [whole.table] * 2
    assert results(cache) == whole.files
    assert not any('damaged' in log.read_text() for log in logs)
    assert not list(tmp_path.rglob('.*.safetensors'))


def test_a_failed_run_does_not_stop_the_others(tmp_path):
    "One autoencoder's latents hold NaN: its run fails with the reason, all else is done and kept."
    study = small_study(tmp_path, autoencoders=('sd-mini', 'flux2-mini'), max_folds=1)
    path, meta = open_study(study)[0].encoded['flux2-mini'].files()[0]
    tensors, _ = load_tensors(path)
    tensors['latent'][:] = float('nan')
    save_tensors(path, tensors, meta)
    said = '1 of 5 runs failed; the others are done and kept'
    with pytest.raises(SweepError, match=said) as caught:
        gather(study)
    assert list(caught.value.failures) == ['phantom-us/flux2-mini/latent/fold 0']
    assert len(list((tmp_path / 'runs').glob('*.safetensors'))) == 4
    state = sweep_state(read_journal(latest_journal(tmp_path / 'journal')))
    assert '4 of 5 done, 0 running, 1 failed' in state_line(state)


def test_damage_is_found_everywhere(whole, tmp_path, capfd):
    gap_csv(small_study(tmp_path))
    files = sorted(tmp_path.rglob('*.safetensors'))
    assert len(files) == len(whole.files) > 10
    for number, path in enumerate(files):
        raw = bytearray(path.read_bytes())
        if number % 3 == 0:
            raw = raw[: len(raw) // 2]  # truncated
        elif number % 3 == 1:
            raw[-1 - number] ^= 16  # flipped bit
        else:
            raw = b''  # empty
        path.write_bytes(raw)
    capfd.readouterr()
    assert gap_csv(small_study(tmp_path)) == whole.table
    said = ''.join(capfd.readouterr())
    assert not [path.name for path in files if f'{path.name} ' not in said]
    assert results(tmp_path) == whole.files


def narrowing_csv(study) -> str:
    "Table 3 of a study."
    return narrowing_table(method_replicates(narrow(study), study)).to_csv()


def test_damaged_ancestors_are_found(tmp_path, capfd):
    "A damaged teacher or start is trained again, to the same bytes, before what descends from it."
    study, runs = small_study(tmp_path, max_folds=1, levels=2), tmp_path / 'runs'
    table = narrowing_csv(study)
    kept = {path: path.read_bytes() for path in runs.rglob('*.safetensors')}
    weights = list((runs / 'weights').iterdir())
    assert len(weights) == 3  # baseline, distilled first stage and reconstruction
    image = next(path for path in kept if '-image-image-' in path.name)
    for path in (image, *weights):
        path.write_bytes(kept[path][:-5])
    descended = [path for path in kept if '-latent-' in path.name and path.parent == runs]
    assert len(descended) == 10
    for path in descended:
        path.unlink()
    capfd.readouterr()
    assert narrowing_csv(study) == table
    assert {path: path.read_bytes() for path in kept} == kept
    assert f'{image.name} is damaged' in ''.join(capfd.readouterr())


def test_full_disk_leaves_nothing(monkeypatch, tmp_path):
    asked = []

    def full(tensors, path, metadata=None):
        asked.append(path)
        Path(path).write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('lgap.store.save_file', full)
    bench, ae = phantom('phantom-us', n=4), embedded_autoencoder('sd-mini')
    with pytest.raises(InputError, match='Free some space'):
        encode_benchmark(bench, ae, tmp_path, progress=False)
    assert asked and not [path for path in tmp_path.rglob('*') if path.is_file()]


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_unwritable_cache(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match='choose a writable folder'):
        save_tensors(tmp_path / 'a' / 'b.safetensors', dict(a=torch.zeros(1)))


def test_cache_path_through_a_file(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='choose a writable folder'):
        save_tensors(tmp_path / 'file' / 'b.safetensors', dict(a=torch.zeros(1)))


def test_another_weight_is_another_cache(tmp_path):
    bench = phantom('phantom-us', n=4)
    first, second = (
        encode_benchmark(bench, embedded_autoencoder('sd-mini', seed), tmp_path, progress=False)
        for seed in (0, 1)
    )
    assert first.folder != second.folder
    assert not torch.equal(first.load('latent'), second.load('latent'))
