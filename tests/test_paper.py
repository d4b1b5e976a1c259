"Every paper notebook runs with the smoke profile, and what they say agrees."

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, long_ones
from smoke import CLOSE, MADE, differ, kinds_shown, main_metric, plain_words, run_smoke, shown

from lgap.core import InputError
from lgap.journal import read_journal
from lgap.report.plan import plan
from lgap.report.words import unplain
from lgap.store import load_tensors
from lgap.study.methods import controls, methods
from lgap.study.profiles import load_profile, profile_files

LONG = {'bench_training', 'fig10_doses', 'table4_efficiency', 'train_autoencoders'}
PAPER = {path.stem for path in (ROOT / 'nbs' / 'paper').glob('*.ipynb')}
PROFILES = ['smoke', 'demo', 'full', 'long', 'published', 'real', 'medmnist', 'paper', 'h200']
PROFILES += [
    'close',
    'close_confirm',
    'close_controls',
    'close_real',
    'close_generate',
    'close_tuned',
]
PROFILES += ['generate', 'generate_curves', 'generate_lesions', 'generate_added']
PROFILES += ['generate_real', 'generate_gpu']


# Notebooks and profiles
@pytest.mark.parametrize('name', long_ones(list(MADE), LONG))
def test_smoke(name, smoked):
    files = smoked(name)
    named = [path for file, path in files.items() if file.startswith(f'{name}.')]
    assert {path.suffix for path in named} == MADE[name]
    assert {path.parent for path in files.values()} == {smoked.home / 'figures'}
    assert not [path for path in files.values() if path.stat().st_size <= 100]
    executed = smoked.home / 'runs' / f'{name}.ipynb'
    assert shown(name) <= kinds_shown(executed)
    assert unplain(plain_words(executed)) == []


@pytest.mark.parametrize('name', sorted(PAPER))
def test_kept_words_are_plain(name):
    said = plain_words(ROOT / 'nbs' / 'paper' / f'{name}.ipynb')
    assert not said or unplain(said) == []


def test_every_notebook_has_a_smoke_run():
    assert set(MADE) | {'report_autoencoder'} == PAPER
    assert set(load_profile('smoke').notebooks) == PAPER


@pytest.mark.parametrize('profile', PROFILES)
def test_profiles_fit_their_notebooks(profile):
    "Every notebook of a profile is planned, in order, with that profile's values."
    jobs, said = plan(profile), load_profile(profile)
    assert [job.notebook for job in jobs] == list(said.notebooks)
    assert set(said.notebooks) <= PAPER
    for job in jobs:
        assert job.values['profile'] == profile
        wanted = said.of(job.notebook)
        known = wanted.keys() & job.values.keys()
        assert len(known) > 5 and not [key for key in known if job.values[key] != wanted[key]]
        assert job.values['out_dir'] == f'figures/{profile}'


def test_all_profiles_are_tested():
    assert set(profile_files()) == set(PROFILES)


# Runs are shared
@pytest.mark.long
def test_runs_are_shared(smoked):
    "Notebooks of one study train what no other has trained."
    smoked.all()
    paths = sorted((smoked.cache / 'runs').glob('*.safetensors'))
    runs = [json.dumps(load_tensors(path)[1]['run'], sort_keys=True) for path in paths]
    assert len(runs) == len(set(runs)) > 30
    plain = [path for path in paths if 'image-image' in path.name]
    assert len(plain) >= 2  # the study's, and that of the learning curves


def test_a_second_run_trains_nothing(smoked, tmp_path):
    before = smoked('table1_gap')
    table = before['table1_gap.csv'].read_bytes()
    trained = {path: path.stat().st_mtime_ns for path in smoked.cache.rglob('*.safetensors')}
    journal = tmp_path / 'journal'
    assert {path.name for path in run_smoke('table1_gap', smoked.home, journal)} == set(before)
    assert before['table1_gap.csv'].read_bytes() == table
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    events = {event['event'] for event in read_journal(journal)}
    assert 'output' in events and 'start' not in events


@pytest.mark.parametrize('name', ['fig6_learning', 'fig7_diagnostics', 'fig12_augmentation'])
def test_a_figure_is_drawn_again(name, smoked, tmp_path):
    "From its tables alone: the same bytes, with a cache that stays empty."
    before, home = smoked(name), tmp_path / 'home'
    shutil.copytree(smoked.home / 'figures', home / 'figures')
    made = run_smoke(name, home, tmp_path / 'journal', redraw=True)
    assert {path.name for path in made} == set(before)
    for path in made:
        assert path.read_bytes() == before[path.name].read_bytes(), path.name
    events = {event['event'] for event in read_journal(tmp_path / 'journal')}
    assert 'start' not in events and not (home / 'cache' / 'runs').exists()


def test_a_missing_table_is_named(smoked, tmp_path):
    with pytest.raises(InputError, match=r'fig4_noise\.csv is missing'):
        run_smoke('fig4_noise', tmp_path, redraw=True)


# Table 1
def test_table_1(smoked):
    "Gaps add up; points lie in their intervals, which have a width."
    df = smoked.csv('table1_gap')
    assert len(df) == 2 * 3 and (df.psnr > 10).all()
    assert differ(df.fidelity + df.learnability, df.total) < CLOSE
    assert differ(df.image - df.recon, df.fidelity) < CLOSE
    assert differ(df.recon - df.latent, df.learnability) < CLOSE
    for gap in ('fidelity', 'learnability', 'total'):
        low, high = df[f'{gap}_lo'], df[f'{gap}_hi']
        assert ((low <= df[gap]) & (df[gap] <= high)).all(), gap
        width = (high - low)[df.metric == 'auroc']  # classes alone may not change in one epoch
        assert (width > 1e-3).all() and (df[f'{gap}_se'][width.index] > 1e-4).all(), gap


# The same runs in other tables
def test_methods_share_the_baseline(smoked):
    "Table 3 says of image, reconstruction and baseline what Table 1 says; gains are differences."
    one, three = main_metric(smoked.csv('table1_gap')), main_metric(smoked.csv('table3_narrowing'))
    three = three[three.index != 'all']
    assert set(three.index) == {'sd-mini', 'flux2-mini'}
    for name in set(three.index):
        rows = three.loc[name].set_index('method')
        assert list(rows.index) == list(methods())
        assert differ(rows.image, [one.loc[name, 'image']] * len(rows)) < CLOSE
        assert differ(rows.recon, [one.loc[name, 'recon']] * len(rows)) < CLOSE
        assert abs(rows.value.latent - one.loc[name, 'latent']) < CLOSE
        for method, control in controls().items():
            gain = rows.value[method] - rows.value[control]
            assert abs(rows.gain[method] - gain) < CLOSE


def test_table_2_shares_the_baseline(smoked):
    one = main_metric(smoked.csv('table1_gap'))
    two = smoked.csv('table2_persistence', keep_default_na=False)
    two = two[(two.variant == '') & (two.benchmark != 'all')].set_index('autoencoder')
    assert set(two.index) == set(one.index)
    two = two.loc[one.index].astype(dict(recon=float, latent=float, gap=float))
    for column, want in dict(recon='recon', latent='latent', gap='learnability').items():
        assert differ(two[column], one[want]) < CLOSE


def test_figures_5_and_6_share_the_baseline(smoked):
    want = main_metric(smoked.csv('table1_gap')).loc['flux2-mini']
    five = smoked.csv('fig5_decoder').set_index('kind').value
    six = smoked.csv('fig6_learning').query('share == 1').set_index('space').value
    for space in ('image', 'recon', 'latent'):
        assert abs(five[space] - want[space]) < CLOSE
        assert abs(six[space] - want[space]) < CLOSE


def test_table_7(smoked):
    "Gains are over the plain arm, and what only the aligner sees is their difference."
    df = smoked.csv('table7_alignment').set_index('arm')
    assert list(df.index) == load_profile('smoke').of('table7_alignment')['arms']
    for name in ('judge', 'aligner', 'diversity', 'common'):
        assert abs(df[f'{name}_gain'] - (df[name] - df[name]['off'])).max() < CLOSE
    assert abs(df.circular - (df.aligner_gain - df.judge_gain)).max() < CLOSE
    assert df.cost['off'] == 1 and (df.cost > 0).all()
    claims = smoked.csv('table7_alignment', 'table7_claims').set_index('claim')
    assert set(claims.verdict) == {'not testable here'}  # generators of eight steps
    assert (claims.ours_lo <= claims.ours + CLOSE).all() and len(claims) == 6


def test_table_s1(smoked):
    "Gaps are differences of the ways, and add up."
    ways = smoked.csv('tables1_segmentation', keep_default_na=False)
    names = load_profile('smoke').of('tables1_segmentation')['autoencoders']
    assert len(ways) == 3 + 2 * len(names)
    main = ways[~ways.fine & (ways.split == 'patient')]
    dice = main.set_index(['space', 'autoencoder']).dice
    gaps = smoked.csv('tables1_segmentation', 'tables1_gaps')
    assert list(gaps.autoencoder.unique()) == names and set(gaps.score) == {'dice', 'iou', 'hd95'}
    assert differ(gaps.total, gaps.fidelity + gaps.learnability) < CLOSE
    for row in gaps[gaps.score == 'dice'].itertuples():
        own = dice['recon', row.autoencoder] - dice['latent', row.autoencoder]
        assert abs(row.learnability - own) < CLOSE


def test_table_8(smoked):
    "Samplers ask more often and take longer; the alarm is no method, so that it has no time."
    df = smoked.csv('table8_segmentation')
    assert df[df.how == 'leak'].seconds.isna().all() and df[df.how != 'leak'].seconds.gt(0).all()
    many, once = df[df.how == 'many'], df[(df.arm == 'dual') & (df.how == 'one')]
    assert (many.evaluations == many['at']).all() and (once.evaluations == 1).all()
    claims = smoked.csv('table8_segmentation', 'table8_claims').set_index('claim')
    known = {'reproduced', 'not reproduced', 'undecided', 'not asked', 'not testable here'}
    known |= {'yes', 'no'}  # questions that nobody claims
    assert set(claims.verdict) <= known
    assert claims.verdict['Dice of 96.0 %'] == 'not testable here'
    assert claims.verdict['an encoder that learns along is better'] == 'not asked'


def test_figures_11_and_12(smoked):
    "The control of words is there, and gains are over real images alone."
    words = smoked.csv('fig11_inpainting').set_index('change')
    assert list(words.index[:2]) == ['pale less dark', 'nonsense']
    assert words.contrast_lo.iloc[:2].notna().all()
    arms = smoked.csv('fig12_augmentation', keep_default_na=False).set_index(['added', 'percent'])
    assert differ(arms.gain, arms.dice - arms.dice['', 0]) < CLOSE
    asked = load_profile('smoke').of('fig12_augmentation')
    assert [percent for kind, percent in arms.index if kind == 'painted'] == asked['percents']
    assert {kind for kind, _ in arms.index} == {'', 'painted', 'wordless', 'pasted', 'new'}


def test_the_latent_is_one_run(smoked):
    "Table 2, Figure 5 (no blocks of the decoder) and Figure 6 show the same numbers for it."
    two = smoked.csv('table2_persistence', keep_default_na=False)
    two = two[two.autoencoder == 'flux2-mini'].set_index('variant').latent
    five = smoked.csv('fig5_decoder').set_index('kind').value
    six = smoked.csv('fig6_learning').query('share == 1').set_index('space').value
    assert abs(five['no blocks'] - two['']) < CLOSE
    assert abs(six['latent'] - two['']) < CLOSE


# Diagnostics and efficiency
def test_diagnostics_of_every_pair(smoked):
    values = smoked.csv('fig7_diagnostics', 'fig7_values').set_index('autoencoder')
    one = main_metric(smoked.csv('table1_gap'))
    assert list(values.index) == list(one.index)
    assert differ(values.learnability, one.learnability) < CLOSE
    assert values.cka_classifier.between(0, 1).all()
    for name, rank in values.channel_rank.items():
        folders = sorted(smoked.cache.glob(f'latents/phantom-us-{name}-*'))  # one for each view
        assert min(abs(rank - channel_rank(folder)) for folder in folders) < 1e-3


def channel_rank(folder: Path) -> float:
    "Effective number of channels: from the spectrum of their correlations."
    files = sorted(folder.glob('*.safetensors'))
    latents = np.concatenate([load_tensors(path)[0]['latent'].double().numpy() for path in files])
    cells = latents.transpose(1, 0, 2, 3).reshape(latents.shape[1], -1)
    spectrum = np.linalg.eigvalsh(np.corrcoef(cells))
    share = spectrum / spectrum.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


@pytest.mark.long
def test_efficiency_is_measured_once(smoked, tmp_path):
    files = smoked('table4_efficiency')
    measured = {p: p.stat().st_mtime_ns for p in (smoked.cache / 'efficiency').glob('*.json')}
    assert len(measured) == 1 + 4 + 4
    before = files['table4_efficiency.csv'].read_bytes()
    run_smoke('table4_efficiency', smoked.home, tmp_path / 'journal')
    assert {path: path.stat().st_mtime_ns for path in measured} == measured
    assert files['table4_efficiency.csv'].read_bytes() == before


def test_guided_sampling_is_measured_whole(smoked):
    "Every way of steering, beside the unsteered sampling of the same networks."
    df = smoked.csv('table4_efficiency', 'table4_guided')
    assert len(df) == 4 and (df.steps == 2).all()
    assert (df[df.way == 'none'].slower == 1).all()
    none = df[df.way == 'none'].set_index('decoder').throughput
    assert differ(none[df.decoder].to_numpy() / df.throughput, df.slower) < 1e-3
    assert (df.bytes > 0).all()


QUOTIENTS = dict(
    throughput_ratio=('latent_throughput', 'image_throughput'),
    memory_ratio=('image_bytes', 'latent_bytes'),
)


def test_efficiency_is_what_was_measured(smoked):
    "Ratios are quotients of the columns beside them."
    df = smoked.csv('table4_efficiency')
    assert len(df) == 3
    for ratio, (over, under) in QUOTIENTS.items():
        want = df[over] / df[under]
        assert want.notna().all() and differ(df[ratio] / want, [1] * len(df)) < 1e-3, ratio
