"What new real images add, kept row by row; the patients of the tables are left alone."

import numpy as np
import pytest
from conftest import load_tool

from lgap.data.sources import load_benchmark
from lgap.generate.material import Material
from lgap.generate.roles import Roles

TOOL = load_tool('headroom')


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(TOOL, 'TABLE', tmp_path / 'headroom.csv')


def rows(benchmark: str, n: int, real: float, more: float) -> list[dict]:
    "One classifier of each arm."
    places = (benchmark, 'flux2-mini', n)
    scores = [('R', 0, real), ('R+new', 0, more)]
    return [dict(zip(TOOL.COLUMNS, (*places, *score))) for score in scores]


def test_rows_of_others_stay():
    TOOL.add_rows(rows('phantom-ct', 150, 0.90, 0.91))
    TOOL.add_rows(rows('phantom-ct', 300, 0.95, 0.95))
    TOOL.add_rows(rows('phantom-ct', 150, 0.80, 0.81))  # measured again
    found = [(row['images'], row['balanced_accuracy']) for row in TOOL.known_rows()]
    assert found == [('150', '0.8'), ('150', '0.81'), ('300', '0.95'), ('300', '0.95')]


def test_verdicts(capsys):
    TOOL.report()
    assert capsys.readouterr().out == ''  # no table yet
    TOOL.add_rows(rows('phantom-ct', 150, 0.90, 0.925))
    TOOL.add_rows(rows('phantom-chest', 150, 0.80, 0.831))
    TOOL.report()
    chest, ct = capsys.readouterr().out.splitlines()
    assert chest == 'phantom-chest in flux2-mini, 150 real images: ' + (
        '80.0 %, with new ones +3.1 points: room'
    )
    assert ct.endswith('+2.5 points: no room')


def test_test_patients_are_left_alone():
    bench = load_benchmark('phantom-ct', n=8)
    parts = (np.flatnonzero(bench.groups == group) for group in np.unique(bench.groups)[:4])
    roles = Roles(bench, *parts)
    turned = TOOL.turned(Material(None, None, roles, None, 'flux2-mini')).roles
    assert turned.test is roles.judge
    assert turned.train is roles.train
