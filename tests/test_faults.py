"Damage, full disks and interruptions never give a wrong or half result."

import contextlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from lgap.autoencoders.encoded import encode_benchmark
from lgap.autoencoders.registry import embedded_autoencoder
from lgap.core import InputError
from lgap.data.sources import phantom
from lgap.journal import latest_journal, read_journal
from lgap.store import load_tensors, remove_leftovers, save_tensors
from lgap.study.narrowing import narrow, narrowing_table, study_replicates
from lgap.study.study import Study, gather, make_part, study_gaps
from lgap.sweep.progress import state_table, sweep_state, table_text
from lgap.sweep.sweep import SweepError

import lgap

SMALL = dict(
    benchmarks=('phantom-us',),
    autoencoders=('sd-mini',),
    n_images=240,
    size=32,
    n_folds=3,
    image_arch='resnet-mini',
    latent_arch='resnet-mini',
    image_init='random',
    latent_init='random',
    image_stem=4,
    epochs=1,
    bs=64,
    lr=1e-3,
    schedule='cosine',
    rotate=0.0,
    drw_epoch=-1,
    n_boot=20,
    device='cpu',
    n_jobs=1,
)


def gap_csv(cache, **more):
    study = Study(**SMALL | more, cache=str(cache))
    return study_gaps(*gather(study, progress=False), study, ('balanced_accuracy', 'mcc')).to_csv()


def in_a_process(cache, log, csv='', **more):
    "Target of a child process: the study, its messages appended to a log."
    with open(log, 'a', buffering=1) as f, contextlib.redirect_stdout(f):
        text = gap_csv(cache, **more)
        if csv:
            Path(csv).write_text(text)


def child(*args, **more):
    "The study in a process of its own, with the library already imported."
    ctx = multiprocessing.get_context('forkserver')
    ctx.set_forkserver_preload(
        [
            'lgap.study.narrowing',
            'medmnist',
            'diffusers.models.autoencoders.autoencoder_kl',
            'diffusers.models.autoencoders.autoencoder_kl_flux2',
            'pytest',
        ]
    )
    p = ctx.Process(target=in_a_process, args=args, kwargs=more)
    p.start()
    return p


def results(cache):  # journals aside, which tell times
    return {
        str(p.relative_to(cache)): p.read_bytes()
        for p in sorted(Path(cache).rglob('*.safetensors'))
        if not p.name.startswith('.')
    }


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "The undisturbed study: its table, its files and its seconds."
    d = tmp_path_factory.mktemp('whole')
    child(d / 'warm', d / 'log', max_folds=1).join()
    t = time.time()
    p = child(d / 'cache', d / 'log', d / 'table.csv')
    p.join()
    assert p.exitcode == 0
    return (d / 'table.csv').read_text(), results(d / 'cache'), time.time() - t


def table(cache):
    return gap_csv(cache)


def damage(path, kind, rng):
    "Truncate a file, flip a bit of it, or make it a whole file that another version wrote."
    raw = bytearray(path.read_bytes())
    if kind == 'truncated':
        path.write_bytes(raw[: int(rng.integers(0, len(raw)))])
    elif kind == 'flipped':
        at = int(rng.integers(8, len(raw)))
        raw[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
    else:
        tensors, meta = load_tensors(path)
        current, lgap.__version__ = lgap.__version__, '0.0.1'
        save_tensors(path, tensors, meta)
        lgap.__version__ = current


def test_killed_and_damaged(whole, tmp_path):
    "SIGKILL at twelve random moments, a file damaged after each: whenever the study ends, it has the bytes of an undisturbed run, and every damage was reported."
    rng, (csv, files, seconds), kills, damages, round_ = np.random.default_rng(), whole, 0, 0, 0
    cache, log, out, hurt = tmp_path / '0', tmp_path / 'log', tmp_path / 'table.csv', []
    while True:
        p = child(cache, log, out, n_jobs=2 if kills == 5 else 1)
        more = kills < 12 or damages < 5
        p.join(rng.uniform(0.3, 0.95) * seconds if more else None)
        if p.is_alive():
            os.kill(p.pid, signal.SIGKILL)
            p.join()
            kills += 1
            time.sleep(0.2)
        if (
            p.exitcode == 0
        ):  # it was quicker than the killer: look at it, then begin again elsewhere
            assert out.read_text() == csv and results(cache) == files
            said = log.read_bytes()
            for q, kind, at in hurt:
                assert q.name.encode() in said[at:], f'{q.name} was {kind}, which nobody noticed'
            remove_leftovers(cache, hours=0)
            assert {q.suffix for q in cache.rglob('*') if q.is_file()} <= {
                '.safetensors',
                '.jsonl',
            } and not list(cache.rglob('.*.safetensors'))
            if not more:
                break
            round_ += 1
            cache, hurt = tmp_path / str(round_), []
            out.unlink()
        else:
            assert p.exitcode == -signal.SIGKILL
            there = sorted(
                q
                for q in cache.rglob('*.safetensors')
                if not q.name.startswith('.') and q not in [h[0] for h in hurt]
            )
            if there:
                q = there[int(rng.integers(len(there)))]
                kind = ('truncated', 'flipped', 'version')[kills % 3]
                damage(q, kind, rng)
                hurt.append((q, kind, log.stat().st_size))
                damages += 1
    assert kills >= 12 and damages >= 5


def test_two_processes_share_a_cache(whole, tmp_path):
    ps = [child(tmp_path / 'cache', tmp_path / f'log{k}', tmp_path / f'{k}.csv') for k in range(2)]
    for p in ps:
        p.join()
    assert (
        [p.exitcode for p in ps] == [0, 0]
        and [(tmp_path / f'{k}.csv').read_text() for k in range(2)] == [whole[0]] * 2
        and results(tmp_path / 'cache') == whole[1]
    )
    assert 'damaged' not in (tmp_path / 'log0').read_text() + (
        tmp_path / 'log1'
    ).read_text() and not list(tmp_path.rglob('.*.safetensors'))


def test_a_failed_run_does_not_stop_the_others(tmp_path):
    "One autoencoder's latents hold NaN: its runs fail with the reason, everything else is done and kept."
    study = Study(
        **SMALL | dict(autoencoders=('sd-mini', 'flux2-mini'), max_folds=1), cache=str(tmp_path)
    )
    part = make_part(study, 'phantom-us', False)
    path, meta = part.encoded['flux2-mini'].files()[0]
    tensors, _ = load_tensors(path)
    tensors['latent'][:] = float('nan')
    save_tensors(path, tensors, meta)
    with pytest.raises(SweepError, match='1 of 5 runs failed; the others are done and kept') as e:
        gather(study, progress=False)
    assert (
        list(e.value.failures) == ['phantom-us/flux2-mini/latent/fold 0']
        and len(list((tmp_path / 'runs').glob('*.safetensors'))) == 4
    )
    said = table_text(state_table(sweep_state(read_journal(latest_journal(tmp_path / 'journal')))))
    assert '4 of 5 done, 0 running, 1 failed' in said


def test_damage_is_found_everywhere(whole, tmp_path, capsys):
    table(tmp_path)
    files = sorted(p for p in tmp_path.rglob('*.safetensors'))
    rng = np.random.default_rng(0)
    for i, p in enumerate(files):
        raw = bytearray(p.read_bytes())
        if i % 3 == 0:
            raw = raw[: len(raw) // 2]  # truncated
        elif i % 3 == 1:
            raw[int(rng.integers(len(raw) - 64, len(raw)))] ^= 16  # flipped bit
        else:
            raw = b''  # empty
        p.write_bytes(raw)
    capsys.readouterr()
    assert table(tmp_path) == whole[0]
    said = capsys.readouterr()
    assert (said.out + said.err).count('damaged') >= len(files)


def test_damaged_ancestors_are_found(tmp_path, capsys):
    "A damaged teacher or starting point is trained again, to the same bytes, before anything descends from it."
    study = Study(**SMALL | dict(max_folds=1, levels=2), cache=str(tmp_path))
    table = lambda: narrowing_table(
        study_replicates(*narrow(study, progress=False), study)
    ).to_csv()
    whole = table()
    runs = tmp_path / 'runs'
    kept = {p: p.read_bytes() for p in runs.rglob('*.safetensors')}
    assert len(list((runs / 'weights').iterdir())) == 2  # baseline and distilled
    image = next(p for p in kept if '-image-image-' in p.name)
    for p in (image, *(runs / 'weights').iterdir()):
        p.write_bytes(kept[p][:-5])
    for p in kept:  # everything that descends from them is missing
        if '-latent-' in p.name and p.parent == runs:
            p.unlink()
    capsys.readouterr()
    assert table() == whole and {p: p.read_bytes() for p in kept} == kept
    said = capsys.readouterr()
    assert f'{image.name} is damaged' in said.out + said.err


def test_full_disk_leaves_nothing(monkeypatch, tmp_path):
    import lgap.core

    def full(tensors, path, metadata=None):
        open(path, 'wb').write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(lgap.core, 'save_file', full)
    with pytest.raises(InputError, match='Free some space'):
        encode_benchmark(
            phantom('phantom-us', n=4), embedded_autoencoder('sd-mini'), tmp_path, progress=False
        )
    assert not [p for p in tmp_path.rglob('*') if p.is_file()]


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
    a = encode_benchmark(bench, embedded_autoencoder('sd-mini', seed=0), tmp_path, progress=False)
    b = encode_benchmark(bench, embedded_autoencoder('sd-mini', seed=1), tmp_path, progress=False)
    assert a.folder != b.folder and not torch.equal(a.load('latent'), b.load('latent'))
