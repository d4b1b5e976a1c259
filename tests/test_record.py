"The committed results are those that the record tells of, and the record says what was run."

import pytest
from conftest import ROOT

from lgap.report.plan import plan
from lgap.report.record import read_record
from lgap.store import file_digest

RECORDS = sorted(path.parent for path in (ROOT / 'figures').glob('*/record.json'))


def test_there_is_a_record():
    assert ROOT / 'figures' / 'demo' in RECORDS


@pytest.mark.parametrize('folder', RECORDS, ids=lambda folder: folder.name)
def test_the_record_is_of_the_committed_results(folder):
    record = read_record(folder)
    listed = {}
    for entry in record['notebooks'].values():
        listed |= entry['files']
    assert len(listed) >= (30 if folder.name == 'demo' else 3 * len(record['notebooks']))
    changed = [name for name, digest in listed.items() if file_digest(folder / name) != digest]
    assert not changed, 'make them again with lgap_reproduce'
    assert not any(entry['changed'] for entry in record['notebooks'].values())
    used = {entry['environment'] for entry in record['notebooks'].values()}
    assert used == set(record['environments'])


@pytest.mark.parametrize('folder', RECORDS, ids=lambda folder: folder.name)
def test_recorded_values_are_planned(folder):
    "A profile that says something else than what was run is noticed."
    record = read_record(folder)
    jobs = {job.notebook: job for job in plan(record['profile'])}
    assert set(record['notebooks']) == set(jobs)
    for name, entry in record['notebooks'].items():
        values, recorded = jobs[name].values, entry['parameters']
        assert recorded == {key: values.get(key) for key in recorded}, name
        assert len(recorded) > 2
