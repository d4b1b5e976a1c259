"The commands, on the smallest study: killed and continued, failing, checked, reporting."

import contextlib
import json
import os
import shutil
import signal
from unittest.mock import patch

import fresh
import pandas as pd
import pytest
from smoke import smoke_job
from stopping import stopping, wait_until_stopped

from lgap.report import reproduce
from lgap.report.record import read_record
from lgap.study.profiles import load_profile

TABLE = tuple(f'table1_{name}' for name in ('gap.csv', 'gap.md', 'gap.tex'))
NAMES = ('means.csv', 'means.md', 'means.tex', 'probes.csv', 'first.csv', 'first.png', 'first.svg')
BESIDE = tuple(f'table1_{name}' for name in NAMES)


def words(folder, *more: str, cache=None, n_jobs: int = 1) -> list[str]:
    "Table 1 of the smoke profile in a folder."
    places = dict(out_dir=folder / 'figures', cache=cache or folder / 'cache', n_jobs=n_jobs)
    given = [word for name, value in places.items() for word in ('-p', f'{name}={value}')]
    return ['lgap_reproduce', '--profile', 'smoke', '--only', 'table1_gap', *given, *more]


def kill(folder, number: int, group: bool) -> int:  # process that stands still
    "SIGKILL right before the k-th result, for the command alone or for all its processes."
    hook = folder / f'hook{number}'
    with patch.dict(os.environ, stopping(hook, number)):
        process = fresh.start(folder / 'log', fresh.console, *words(folder))
    stopped = wait_until_stopped(hook)
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (folder / 'figures' / 'table1_gap.tex').exists()
    there = (folder / 'cache' / 'runs').glob('*.safetensors')
    there = [path for path in there if path.name[0] != '.']
    assert len(there) == number - 1
    return stopped


@pytest.fixture(scope='module')
def continued(tmp_path_factory):
    "Results of a command that was killed twice, then ended on two Dask workers."
    folder, left = tmp_path_factory.mktemp('continued'), []
    try:
        left.append(kill(folder, 2, group=False))  # its kernel stands by all the while
        left.append(kill(folder, 4, group=True))
        line = words(folder, '--scheduler', 'dask', n_jobs=2)
        passed, said = fresh.run(folder / 'log', fresh.console, *line)
    finally:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert passed, said[-2000:]
    return folder / 'figures'


@pytest.mark.long
def test_a_killed_command_continues(continued, smoked):
    "On two workers it ends with the bytes of an undisturbed run in one process."
    whole = smoked('table1_gap')
    for name in (*TABLE, *BESIDE):
        assert (continued / name).read_bytes() == whole[name].read_bytes(), name


@pytest.mark.long
def test_the_record_tells_what_was_run(continued, tmp_path_factory):
    entry = read_record(continued)['notebooks']['table1_gap']
    assert set(entry['files']) == {*TABLE, *BESIDE}
    assert set(entry['data']) == {'phantom-us'}
    assert set(entry['weights']) == {'sd-mini', 'flux2-mini'}
    values = smoke_job('table1_gap', continued).values
    recorded = entry['parameters']
    assert not {'cache', 'out_dir', 'n_jobs', 'scheduler', 'address'} & set(recorded)
    assert recorded == {name: values[name] for name in recorded} and len(recorded) > 30
    assert len(entry['package']) == 16 and not entry['timing']
    base = str(tmp_path_factory.getbasetemp())
    assert base not in (continued / 'record.json').read_text()


def test_failures_are_reported_together(tmp_path):
    "A notebook that fails does not stop the next one; the exit status tells."
    line = words(tmp_path, '-p', 'lr=1.0e+30', '--only', 'fig1_overview')
    passed, said = fresh.run(tmp_path / 'log', fresh.console, *line)
    assert not passed
    for text in ('1 notebook(s) failed', '3 of 3 runs failed', 'lower lr', 'table1_gap: '):
        assert text in said, said[-2000:]
    assert (tmp_path / 'figures' / 'fig1_overview.png').is_file()


# Check
@pytest.fixture
def checked(root, smoked, tmp_path):
    "Results with a record, from runs that are there; the folder of their check is removed."
    smoked('table1_gap')
    line = words(tmp_path, cache=smoked.cache)
    passed, said = fresh.run(tmp_path / 'log', fresh.console, *line)
    assert passed, said[-2000:]
    folder = (tmp_path / 'figures').rename(tmp_path / f'checked-{os.getpid()}')
    yield folder
    shutil.rmtree(root / 'runs' / 'check' / folder.name, ignore_errors=True)


def test_results_are_made_again(checked, tmp_path):
    "From nothing, and they are the same."
    line = ['lgap_reproduce', '--check', str(checked), '-p', 'n_jobs=1']
    passed, said = fresh.run(tmp_path / 'said', fresh.console, *line)
    assert passed, said[-2000:]
    assert 'Nothing moved beyond its interval' in said
    assert '6 of 6 files have the same bytes' in said


def test_a_changed_number_is_found(checked, smoked, monkeypatch, capsys):
    "Changed by hand; what is made again stands in for a second training."

    def copy_results(jobs, copies):
        jobs[0].out.mkdir(parents=True)
        made = smoked('table1_gap').values()
        return [shutil.copy(path, jobs[0].out) for path in made], {}

    monkeypatch.setattr(reproduce, 'run_jobs', copy_results)
    assert reproduce.lgap_reproduce(check=str(checked)) == 0
    df = pd.read_csv(checked / 'table1_gap.csv')
    df.loc[0, 'learnability'] += 1
    df.to_csv(checked / 'table1_gap.csv', index=False, float_format='%.6f')
    capsys.readouterr()
    assert reproduce.lgap_reproduce(check=str(checked)) == 1
    said, row = capsys.readouterr().out, 'phantom-us sd-mini balanced_accuracy'
    assert f'beyond   table1_gap.csv | {row} | learnability' in said
    assert '1 number(s) moved' in said


# Report and watch
@pytest.fixture(scope='module')
def report(smoked, tmp_path_factory):
    "A report on an autoencoder of Table 1, and what the command said."
    runs = set(smoked('table1_gap') and (smoked.cache / 'runs').glob('*.safetensors'))
    folder = tmp_path_factory.mktemp('report')
    values = smoke_job('report_autoencoder', smoked.home).values
    smoke = set(load_profile('smoke').values) - {'benchmarks', 'autoencoders', 'max_folds'}
    given = [word for name in smoke for word in ('-p', f'{name}={values[name]}')]
    given += ['-p', f'cache={values["cache"]}', '-p', f'n_jobs={values["n_jobs"]}']
    pair = ['--ae', 'flux2-mini', '--benchmark', 'phantom-us', '--against', 'sd-mini']
    line = ['lgap_diagnose', *pair, '--folds', '1', '--out', str(folder / 'r'), *given]
    passed, said = fresh.run(folder / 'log', fresh.console, *line)
    assert passed, said[-2000:]
    assert set((smoked.cache / 'runs').glob('*.safetensors')) >= runs
    return folder / 'r', said


def test_the_report_agrees_with_table_1(report, smoked):
    said = json.loads((report[0] / 'report.json').read_text())
    table = smoked.csv('table1_gap').query("metric == 'balanced_accuracy'")
    want = table.set_index('autoencoder').learnability['flux2-mini']
    assert abs(said['gap'] - want) < 2e-6 and said['of'] == 2
    assert said['lines'][0].replace('**', '') in report[1]


def test_the_report_needs_nothing_else(report):
    page = (report[0] / 'report.html').read_text()
    said = json.loads((report[0] / 'report.json').read_text())
    assert '<script' not in page and 'gather(study)' not in page
    assert page.count('src="data:image/png;base64,') == 2
    assert said['title'] in page


@pytest.mark.long
def test_watch_shows_the_newest_sweep(continued, smoked, tmp_path):
    line = ['lgap_watch', '--once', '--cache', str(continued.parent / 'cache')]
    passed, said = fresh.run(tmp_path / 'log', fresh.console, *line)
    assert passed and 'done, 0 running' in said
