"The same study on a Dask cluster of worker processes, one of which dies."

import os
import signal
import threading

import pytest
from small import gap_csv, results, small_study
from stopping import stopping, wait_until_stopped

from lgap.core import InputError
from lgap.journal import read_journal
from lgap.study.parts import gather


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    "The table and the files of the study on this machine alone."
    cache = tmp_path_factory.mktemp('here')
    return gap_csv(small_study(cache)), results(cache)


def kill_when_stopped(folder, killed: list):
    "SIGKILL for the worker that stops."
    killed.append(wait_until_stopped(folder))
    os.kill(killed[0], signal.SIGKILL)


@pytest.mark.long
def test_a_worker_dies(here, tmp_path, monkeypatch):
    "All results arrive, none twice, and they are those of this machine."
    from dask.distributed import LocalCluster

    for name, value in stopping(tmp_path / 'hook', 4).items():
        monkeypatch.setenv(name, value)
    killed, cache = [], tmp_path / 'there'
    thread = threading.Thread(target=kill_when_stopped, args=(tmp_path / 'hook', killed))
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        thread.start()
        address = cluster.scheduler_address
        table = gap_csv(small_study(cache, scheduler='dask', address=address))
        thread.join()
    assert table == here[0]
    assert results(cache) == here[1]
    check_journal(cache / 'journal', killed[0])


def of_key(events: list[dict], kind: str, key: str) -> list[int]:
    "Processes that noted an event of a job."
    return [event['pid'] for event in events if (event['event'], event.get('key')) == (kind, key)]


def check_journal(home, killed: int):
    "Nine runs and the encoding by workers; the run of the dead one began twice and ended once."
    events = [event for folder in home.iterdir() for event in read_journal(folder)]
    runs = {event['key'] for event in events if '/fold ' in event.get('label', '')}
    done = {event['key'] for event in events if event['event'] == 'done'}
    assert len(runs) == 9 and runs < done
    assert 'failed' not in {event['event'] for event in events}
    broken = [
        key
        for key in runs
        if killed in of_key(events, 'start', key) and killed not in of_key(events, 'done', key)
    ]
    assert len(broken) == 1
    assert len(of_key(events, 'start', broken[0])) == 2
    assert len(of_key(events, 'done', broken[0])) == 1
    for key in done:  # what the dead one held in memory is read again, nothing else
        ends = of_key(events, 'done', key)
        assert len(ends) == 1 or killed in ends


@pytest.mark.parametrize(
    'where, said',
    [
        (dict(scheduler='dask', address='nonsense://nowhere'), 'No Dask scheduler answers'),
        (dict(scheduler='slurm'), "Unknown scheduler 'slurm'"),
        (dict(scheduler='local', address='tcp://a:1'), 'is for the scheduler dask'),
    ],
)
def test_nobody_answers(tmp_path, where, said):
    with pytest.raises(InputError, match=said):
        gather(small_study(tmp_path, **where))
    assert not list(tmp_path.rglob('*.safetensors'))
