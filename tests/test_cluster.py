"The same study on a Dask cluster of worker processes, one of which dies."

import os
import signal
import threading
import time
from collections import Counter

import pytest
from lgap.core import InputError
from lgap.journal import latest_journal, read_journal
from lgap.study.study import Study, gather, study_gaps
from test_faults import SMALL, results


def csv_of(study):
    return study_gaps(*gather(study, progress=False), study, ('balanced_accuracy',)).to_csv()


def test_a_worker_dies(tmp_path):
    "All results arrive, none twice, and they are those of this machine."
    from dask.distributed import LocalCluster

    here = Study(**SMALL, cache=str(tmp_path / 'here'))
    want = csv_of(here)
    killed = []
    with LocalCluster(3, threads_per_worker=1, dashboard_address=None) as cluster:

        def kill():  # a worker that is in the middle of a run
            while not killed:
                events = read_journal(latest_journal(tmp_path / 'there' / 'journal') or tmp_path)
                open_ = {
                    e['key']: e['pid']
                    for e in events
                    if e['event'] == 'start' and 'fold' in e['label']
                }
                for e in events:
                    if e['event'] == 'done':
                        open_.pop(e['key'], None)
                if open_:
                    key, pid = open_.popitem()
                    killed.append((key, time.time()))
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        there = Study(
            **SMALL,
            cache=str(tmp_path / 'there'),
            scheduler='dask',
            address=cluster.scheduler_address,
        )
        got = csv_of(there)
        thread.join(5)
    assert killed and got == want and results(tmp_path / 'there') == results(tmp_path / 'here')
    events = [e for d in (tmp_path / 'there' / 'journal').iterdir() for e in read_journal(d)]
    count = lambda kind: Counter(e['key'] for e in events if e['event'] == kind)
    done = count('done')
    assert (
        set(done.values()) == {1}
        and sum('phantom-us ' in k for k in done) == 2
        and len(done) == 2 + 9
    )  # two shards encoded by workers, nine runs
    key, at = killed[0]
    ended = min(e['time'] for e in events if e['event'] == 'done' and e['key'] == key)
    assert not count('failed') and count('start')[key] == (
        2 if ended > at else 1
    )  # it may have ended in the milliseconds before


def test_nobody_answers(tmp_path):
    with pytest.raises(InputError, match='No Dask scheduler answers'):
        gather(
            Study(**SMALL, cache=str(tmp_path), scheduler='dask', address='nonsense://nowhere'),
            progress=False,
        )
    with pytest.raises(InputError, match="Unknown scheduler 'slurm'"):
        gather(Study(**SMALL, cache=str(tmp_path), scheduler='slurm'), progress=False)
    assert not list(tmp_path.rglob('*.safetensors'))
