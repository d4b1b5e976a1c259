"Generated images: the command, and what the notebooks of generation say of each other."

import json

import fresh
import numpy as np
import pandas as pd
import pytest
from smoke import smoke_job

from lgap.data.inspection import DataWarning
from lgap.data.sources import load_benchmark
from lgap.report.samples import lgap_generate
from lgap.study.profiles import load_profile

PAIR = ['--ae', 'sd-mini', '--benchmark', 'phantom-us']


@pytest.fixture(scope='module')
def given(smoked):
    "Values of the smoke profile, as words of a command line; its encodings are there already."
    smoked('table5_generation')
    values = smoke_job('table5_generation', smoked.home).values
    skipped = {'benchmarks', 'autoencoders', 'max_folds'}
    names = set(load_profile('smoke').values) - skipped | {'cache', 'n_jobs'}
    return [word for name in sorted(names) for word in ('-p', f'{name}={values[name]}')]


@pytest.fixture(scope='module')
def made(given, tmp_path_factory):
    "A folder of images, and what the command said."
    folder = tmp_path_factory.mktemp('generated')
    asked = ['--class', 'septal defect', '--n', '3', '--steps', '8', '--out', str(folder / 'new')]
    passed, said = fresh.run(folder / 'log', fresh.console, 'lgap_generate', *PAIR, *asked, *given)
    assert passed, said[-2000:]
    return folder / 'new', said


def test_the_command_writes_a_benchmark(made):
    folder, said = made
    assert '3 images' in said and 'images: 100%' in said
    with pytest.warns(DataWarning, match='no image shows normal'):
        bench = load_benchmark(str(folder / 'manifest.csv'), 32, channels=1)
    assert len(bench) == 3 and bench.classes[1] == 'septal defect'
    assert list(bench.targets) == [1, 1, 1]
    assert len(np.unique(bench.images().numpy(), axis=0)) == 3
    assert (folder / 'contact.png').stat().st_size > 1000
    about = json.loads((folder / 'generated.json').read_text())
    assert about['run']['steps'] == 8 and about['classes'] == ['septal defect']


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (dict(classes='nodule'), "Unknown class 'nodule'"),
        (dict(ae='sd-maxi'), "Unknown autoencoder 'sd-maxi'"),
        (dict(way='softly'), 'softly'),
        (dict(weight=float('nan')), 'weight of guidance is nan'),
        (dict(n=0), 'n is 0'),
        (dict(guide='nowhere'), 'nowhere'),
    ],
)
def test_the_command_refuses(words, reason, given, tmp_path, capsys):
    "Each in one sentence, before any training."
    pairs = [word for word in given if word != '-p']
    call = dict(ae='sd-mini', benchmark='phantom-us', out=str(tmp_path / 'x'), p=pairs)
    assert lgap_generate(**call | words) == 2
    said = capsys.readouterr().err
    assert reason in said and said.startswith('lgap_generate: ')
    assert not (tmp_path / 'x').exists()


def test_the_command_overwrites_nothing(made, given, capsys):
    pairs = [word for word in given if word != '-p']
    call = dict(ae='sd-mini', benchmark='phantom-us', out=str(made[0]), p=pairs)
    assert lgap_generate(**call) == 2
    assert 'is not empty' in capsys.readouterr().err


# Tables and figures
def test_table_5_blanks_what_a_bad_judge_says(smoked):
    "The smoke profile's judge is below the bar: nothing of it is told, the reason is."
    table = smoked.csv('table5_generation')
    assert (table.judge < 0.7).all()
    assert table.fidelity.isna().all() and table.kid.isna().all()
    assert table.note.str.contains('less than 70 %').all()
    assert table.other.notna().all()  # the network that learnt nothing judges all the same
    assert list(table['set'][:3]) == ['real', 'reconstruction', 'noise']


def test_calibration_is_told(smoked):
    levels = smoked.csv('table5_generation', 'table5_calibration')
    assert len(levels) == 8 and levels.sigma.is_monotonic_increasing
    assert (levels.cross_entropy_after <= levels.cross_entropy + 1e-6).all()


def test_table_6_pairs_its_arms(smoked):
    table = smoked.csv('table6_augmentation').set_index('arm')
    assert table.balanced_gain['R'] == 0 and table.balanced_gain_lo['R'] == 0
    gains = table.balanced - table.balanced['R']
    assert abs(gains - table.balanced_gain).max() < 2e-6
    images = table.images
    assert images['R+S'] == images['R+S half'] == images['R+new'] == images['R'] * 1.4
    contrasts = smoked.csv('table6_augmentation', 'table6_contrasts')
    assert set(contrasts.metric) == {'balanced', 'tail'}
    assert len(contrasts) == 6 and (contrasts.holm >= contrasts.p - 1e-9).all()


def test_figure_9_has_every_share(smoked):
    table = smoked.csv('fig9_ratio')
    grown = table[table.arm == 'R+S']
    assert list(grown.percent) == [20, 80]
    assert list(grown.images) == [round(240 * 1.2), round(240 * 1.8)]


@pytest.mark.long
def test_figure_10_has_every_dose(smoked):
    table, slopes = smoked.csv('fig10_doses'), smoked.csv('fig10_doses', 'fig10_slopes')
    assert list(table.scramble) == ['identity', 'permute-100', 'couple-2']
    assert set(slopes.doses_of) == {'permute', 'couple', 'all'}
    few = slopes[slopes.doses_of != 'all']
    assert few.slope.isna().all() and (slopes.verdict == 'undecided').all()
    assert pd.notna(table.kid).all()
