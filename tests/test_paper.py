"Every paper notebook runs by papermill with the smoke profile; names are checked before anything runs."

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from lgap.core import InputError
from lgap.report.autoencoder import lgap_diagnose
from lgap.report.command import lgap_reproduce
from lgap.report.record import make_entry, read_record, write_record
from lgap.report.reproduce import load_profile, notebook_parameters, paper_dir, plan, run_notebook

SUFFIXES = dict(
    fig1_overview={'.svg', '.png'},
    table1_gap={'.csv', '.md', '.tex'},
    fig2_psnr_vs_gap={'.svg', '.png'},
    fig3_reconstructions={'.svg', '.png', '.csv'},
    table3_narrowing={'.csv', '.md', '.tex'},
    fig4_noise={'.svg', '.png', '.csv'},
    table2_persistence={'.csv', '.md', '.tex'},
    fig5_decoder={'.svg', '.png', '.csv'},
    fig6_learning={'.svg', '.png', '.csv'},
    fig7_diagnostics={'.svg', '.png', '.csv', '.md', '.tex'},
    table4_efficiency={'.csv', '.md', '.tex'},
    bench_training={'.svg', '.png', '.csv', '.md', '.tex'},
    train_autoencoders={'.svg', '.png', '.csv', '.md', '.tex'},
)


def smoke(name, work, **more):
    params = plan('smoke', [name])[name] | dict(out_dir=str(work / 'figures')) | more
    if 'cache' in notebook_parameters(paper_dir() / f'{name}.ipynb'):
        params['cache'] = str(work / 'cache')
    if name == 'train_autoencoders':
        params['weights'] = str(work / 'weights')
    run_notebook(name, params, work / 'runs' / f'{name}.ipynb')


@pytest.mark.parametrize('name', SUFFIXES)
def test_smoke(name, work):
    assert name in load_profile('smoke')[1]
    smoke(name, work)
    made = {p.suffix for p in (work / 'figures').glob(f'{name}.*')}
    assert made == SUFFIXES[name] and all(
        p.stat().st_size > 100 for p in (work / 'figures').glob(f'{name}.*')
    )


def test_every_notebook_has_a_smoke_run(root):
    assert set(SUFFIXES) | {'report_autoencoder'} == {
        p.stem for p in (root / 'nbs' / 'paper').glob('*.ipynb')
    }


@pytest.mark.parametrize('profile', ['smoke', 'demo', 'medmnist', 'paper', 'h200'])
def test_profiles_fit_their_notebooks(profile):
    assert plan(profile)


def test_cached_runs_are_reused(work):
    files = sorted((work / 'cache' / 'runs').glob('*.safetensors'))
    assert (
        len(files) == 1 + 2 * 2 + 2 * 4 + 2 + 4 + 2 * 4
    )  # Table 1; four methods for each autoencoder; no mask for each; trunks; two sizes of three spaces and a recipe
    before = {p: p.stat().st_mtime_ns for p in files}
    table = (work / 'figures' / 'table1_gap.csv').read_bytes()
    smoke('table1_gap', work)
    assert {p: p.stat().st_mtime_ns for p in files} == before and (
        work / 'figures' / 'table1_gap.csv'
    ).read_bytes() == table


def test_clean_caches_give_the_same_bytes(work, tmp_path):
    smoke('table1_gap', tmp_path)
    assert (tmp_path / 'figures' / 'table1_gap.csv').read_bytes() == (
        work / 'figures' / 'table1_gap.csv'
    ).read_bytes()


def smoke_command(folder, *more):
    return [
        sys.executable,
        '-c',
        'import sys; from lgap.report.command import lgap_reproduce; sys.exit(lgap_reproduce())',
        '--profile',
        'smoke',
        '--only',
        'table1_gap',
        '-p',
        f'out_dir={folder}/figures',
        '-p',
        f'cache={folder}/cache',
        *more,
    ]


def test_killed_command_continues(work, tmp_path):
    "SIGKILL for the command, or for it and all its processes; then it ends with the bytes of an undisturbed run, on Dask workers."
    for k in (1, 3):  # so many of the five runs are there when it is killed
        p = subprocess.Popen(
            smoke_command(tmp_path),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while (
            p.poll() is None
            and len(list((tmp_path / 'cache' / 'runs').glob('phantom*.safetensors'))) < k
        ):
            time.sleep(0.02)
        if k > 1:
            os.killpg(p.pid, signal.SIGKILL)
        else:
            p.kill()
        assert (
            p.wait() == -signal.SIGKILL and not (tmp_path / 'figures' / 'table1_gap.tex').exists()
        )
    r = subprocess.run(
        smoke_command(tmp_path, '--scheduler', 'dask', '-p', 'n_jobs=2'),
        capture_output=True,
        text=True,
    )
    assert r.returncode == 0, r.stderr[-2000:]
    for f in ('table1_gap.csv', 'table1_gap.md', 'table1_gap.tex'):
        assert (tmp_path / 'figures' / f).read_bytes() == (work / 'figures' / f).read_bytes(), f
    e = read_record(tmp_path / 'figures')['notebooks']['table1_gap']
    assert (
        set(e['files']) == {'table1_gap.csv', 'table1_gap.md', 'table1_gap.tex'}
        and set(e['data']) == {'phantom-us'}
        and set(e['weights']) == {'sd-mini', 'flux2-mini'}
    )
    assert (
        e['parameters']['seed'] == 0
        and 'cache' not in e['parameters']
        and len(e['package']) == 16
        and not e['timing']
        and str(tmp_path) not in (tmp_path / 'figures' / 'record.json').read_text()
    )


def test_failures_are_reported_together(tmp_path, capsys):
    "A notebook that fails does not stop the next one; the exit status tells."
    args = [
        '--profile',
        'smoke',
        '--only',
        'table1_gap,fig1_overview',
        '-p',
        f'out_dir={tmp_path}/figures',
        '-p',
        f'cache={tmp_path}/cache',
        '-p',
        'lr=1.0e+30',
        '-p',
        'size=32',
    ]
    assert lgap_reproduce(args) == 1
    said = capsys.readouterr()
    assert (
        '1 notebook(s) failed' in said.err
        and '5 of 5 runs failed' in said.err
        and 'lower lr' in said.err
        and (tmp_path / 'figures' / 'fig1_overview.png').is_file()
    )


def test_check(work, tmp_path, capsys):
    "Results run again from nothing: the same; with a number changed by hand: found, and the exit status tells."
    folder = tmp_path / 'checked'
    params = plan('smoke', ['fig2_psnr_vs_gap', 'table1_gap'])
    for f in ('table1_gap.csv', 'table1_gap.md', 'table1_gap.tex'):
        (folder / f).parent.mkdir(exist_ok=True)
        (folder / f).write_bytes((work / 'figures' / f).read_bytes())
    write_record(
        folder,
        'table1_gap',
        *make_entry(
            paper_dir() / 'table1_gap.ipynb',
            params['table1_gap'],
            tmp_path / 'none',
            list(folder.glob('table1*')),
            1.0,
        ),
        'smoke',
    )
    assert lgap_reproduce(['--check', str(folder)]) == 0
    said = capsys.readouterr().out
    assert (
        'Nothing moved beyond its interval' in said and '2 of 2 files have the same bytes' in said
    )
    df = pd.read_csv(folder / 'table1_gap.csv')
    df.loc[0, 'learnability'] += 1
    df.to_csv(folder / 'table1_gap.csv', index=False, float_format='%.6f')
    assert lgap_reproduce(['--check', str(folder)]) == 1
    said = capsys.readouterr().out
    assert (
        'beyond   table1_gap.csv | phantom-us sd-mini balanced_accuracy | learnability' in said
        and '1 number(s) moved' in said
    )


def test_table_is_consistent(work):
    df = pd.read_csv(work / 'figures' / 'table1_gap.csv')
    assert len(df) == 2 * 3 and (abs(df.fidelity + df.learnability - df.total) < 2e-6).all()
    assert ((df.learnability_lo <= df.learnability_hi) & (df.psnr > 10)).all()


def test_methods_share_the_baseline(work):
    "Table 3 says of image, reconstruction and baseline what Table 1 says; gains are differences."
    one, three = (
        pd.read_csv(work / 'figures' / f'{n}.csv')
        .query("metric == 'balanced_accuracy'")
        .set_index('autoencoder')
        for n in ('table1_gap', 'table3_narrowing')
    )
    three = three[three.index != 'all']
    for a in ('sd-mini', 'flux2-mini'):
        rows = three.loc[a].set_index('method')
        assert len(rows) == 5
        for k, v in dict(image=rows.image, recon=rows.recon, latent=rows.value.latent).items():
            assert abs(one.loc[a, k] - v).max() < 2e-6
        assert (abs(rows.gain - (rows.value - rows.value.latent)) < 2e-6).all() and (
            abs(rows.gap - one.loc[a, 'learnability']) < 2e-6
        ).all()


def test_all_notebooks_share_the_baseline(work):
    "Table 2, Figure 5 and Figure 6 say of image, reconstruction and latent what Table 1 says."
    one = (
        pd.read_csv(work / 'figures' / 'table1_gap.csv')
        .query("metric == 'balanced_accuracy'")
        .set_index('autoencoder')
    )
    want = one.loc['flux2-mini']
    two = (
        pd.read_csv(work / 'figures' / 'table2_persistence.csv', keep_default_na=False)
        .query("variant == '' and benchmark != 'all'")
        .set_index('autoencoder')
    )
    for a in one.index:
        assert (
            all(abs(float(two.loc[a, k]) - one.loc[a, k]) < 2e-6 for k in ('recon', 'latent'))
            and abs(float(two.loc[a, 'gap']) - one.loc[a, 'learnability']) < 2e-6
        )
    five, six = (
        pd.read_csv(work / 'figures' / 'fig5_decoder.csv').set_index('kind'),
        pd.read_csv(work / 'figures' / 'fig6_learning.csv').query('share == 1').set_index('space'),
    )
    for s in ('image', 'recon', 'latent'):
        assert (
            abs(five.loc[s, 'value'] - want[s]) < 2e-6 and abs(six.loc[s, 'value'] - want[s]) < 2e-6
        )
    unmasked = (
        pd.read_csv(work / 'figures' / 'table2_persistence.csv')
        .query("variant == 'mask:0' and autoencoder == 'flux2-mini'")
        .latent.iloc[0]
    )
    assert (
        abs(five.loc['no blocks', 'value'] - unmasked) < 2e-6
        and abs(six.loc['latent, mask:0', 'value'] - unmasked) < 2e-6
    )


def test_diagnostics_of_every_pair(work):
    df = pd.read_csv(work / 'figures' / 'fig7_values.csv')
    one = pd.read_csv(work / 'figures' / 'table1_gap.csv').query("metric == 'balanced_accuracy'")
    assert (
        list(df.autoencoder) == list(one.autoencoder)
        and (abs(df.learnability.to_numpy() - one.learnability.to_numpy()) < 2e-6).all()
    )
    assert (
        df.cka_classifier.notna().all()
        and (df.channel_rank.iloc[0] <= 4)
        and (df.linear_gap - (df.linear_image - df.linear_latent)).abs().max() < 2e-6
    )


def test_report(work, tmp_path, capsys):
    "`lgap_diagnose` measures what Table 1 measures, prints it, and writes a page that needs nothing else."
    smoked = plan('smoke', ['report_autoencoder'])['report_autoencoder']
    same = [
        f'{k}={v}'
        for k, v in smoked.items()
        if isinstance(v, (int, float)) and k not in ('max_folds',)
    ]
    args = [
        '--ae',
        'flux2-mini',
        '--benchmark',
        'phantom-us',
        '--against',
        'sd-mini',
        '--folds',
        '1',
        '--out',
        str(tmp_path / 'r'),
        '-p',
        f'cache={work / "cache"}',
    ]
    runs = set((work / 'cache' / 'runs').glob('*.safetensors'))
    assert lgap_diagnose(args + [a for s in same for a in ('-p', s)]) == 0
    assert set((work / 'cache' / 'runs').glob('*.safetensors')) == runs  # the runs of Table 1
    said, page = (
        json.loads((tmp_path / 'r' / 'report.json').read_text()),
        (tmp_path / 'r' / 'report.html').read_text(),
    )
    want = (
        pd.read_csv(work / 'figures' / 'table1_gap.csv')
        .query("metric == 'balanced_accuracy'")
        .set_index('autoencoder')
        .loc['flux2-mini']
    )
    assert (
        abs(said['gap'] - want.learnability) < 2e-6
        and said['of'] == 2
        and said['lines'][0].replace('**', '') in capsys.readouterr().out
    )
    assert (
        '<script' not in page
        and page.count('src="data:image/png;base64,') == 2
        and 'gather(study)' not in page
        and said['title'] in page
    )


@pytest.mark.parametrize(
    'args, text',
    [
        (['--ae', 'sd-maxi', '--benchmark', 'phantom-us'], "Unknown autoencoder 'sd-maxi'"),
        (['--ae', 'sd-mini', '--benchmark', 'phantom-mri'], "Unknown benchmark 'phantom-mri'"),
        (
            ['--ae', 'sd-mini', '--benchmark', 'phantom-us', '-p', 'epoch=3'],
            "Did you mean 'epochs'?",
        ),
    ],
)
def test_report_refuses_unknown_names(args, text, tmp_path, capsys):
    assert (
        lgap_diagnose([*args, '--out', str(tmp_path), '-p', f'cache={tmp_path}/c']) == 2
        and text in capsys.readouterr().err
    )
    assert not list(tmp_path.rglob('*.safetensors'))


def test_efficiency_is_measured_once(work):
    files = {p: p.stat().st_mtime_ns for p in (work / 'cache' / 'efficiency').glob('*.json')}
    assert len(files) == 1 + 2 * 4
    before = (work / 'figures' / 'table4_efficiency.csv').read_bytes()
    smoke('table4_efficiency', work)
    assert {p: p.stat().st_mtime_ns for p in files} == files and (
        work / 'figures' / 'table4_efficiency.csv'
    ).read_bytes() == before
    df = pd.read_csv(work / 'figures' / 'table4_efficiency.csv')
    assert len(df) == 2 * 3 and (df.throughput_ratio > 0).all() and (df.image_bytes > 0).all()


@pytest.mark.parametrize(
    'args, text',
    [
        (['--profile', 'demmo'], "Unknown profile 'demmo'. Did you mean 'demo'?"),
        (['--only', 'table1'], "Unknown notebook 'table1'. Did you mean 'table1_gap'?"),
        (['-p', 'learning_rate=1'], "Unknown parameter 'learning_rate'"),
        (['-p', 'epochs=many'], "Parameter epochs='many' is str; the notebook wants int"),
        (['-p', 'lr'], 'write name=value'),
        (['--profile', 'nowhere.yaml'], 'No such profile'),
    ],
)
def test_names_are_checked_first(args, text, capsys):
    assert lgap_reproduce(args) == 2 and text in capsys.readouterr().err


@pytest.mark.parametrize(
    'params, text',
    [
        (dict(benchmarks=['phantom-mri']), "Unknown benchmark 'phantom-mri'"),
        (dict(autoencoders=['sd-maxi']), "Unknown autoencoder 'sd-maxi'"),
        (dict(autoencoders=['flux2-dev']), 'instead you can use taef2'),
        (dict(size=50), 'no multiple of 4; resize to 48'),
        (dict(n_images=30), 'too few patients for 3 folds'),
        (dict(loss='hinge'), "Unknown loss 'hinge'"),
        (dict(latent_arch='resnet-maxi'), "Unknown classifier 'resnet-maxi'"),
        (dict(mask_mode='rows'), "Unknown mask mode 'rows'"),
        (dict(latent_init='nowhere'), 'No checkpoint folder'),
    ],
)
def test_bad_values_stop_before_training(params, text, tmp_path):
    with pytest.raises(InputError, match='table1_gap: InputError') as e:
        smoke('table1_gap', tmp_path, **params)
    assert text in str(e.value) and not list(tmp_path.rglob('runs/*.safetensors'))


@pytest.mark.parametrize(
    'name, params, text',
    [
        ('table3_narrowing', dict(alpha=1.5), 'lies in [0, 1]'),
        ('table3_narrowing', dict(soft='l1'), "Unknown soft loss 'l1'"),
        ('fig4_noise', dict(levels=1), 'at least 2 noise levels'),
        ('table2_persistence', dict(variants=['mask:2']), 'must lie in [0, 1)'),
        (
            'table2_persistence',
            dict(variants=['learning_rate:1']),
            "Unknown field of a variant 'learning_rate'",
        ),
        ('table2_persistence', dict(variants=['loss:hinge']), "Unknown loss 'hinge'"),
        ('fig5_decoder', dict(frozen=[9]), 'a decoder of 5 blocks'),
        ('fig6_learning', dict(percents=[50, 100]), 'at least three'),
        ('fig6_learning', dict(percents=[1, 50, 100]), 'too few for an image of each'),
        ('table4_efficiency', dict(decoders=['flux9']), "Unknown decoder 'flux9'"),
        ('table4_efficiency', dict(sizes=[100]), 'multiples of 8'),
        ('table4_efficiency', dict(device='cuda:99'), 'cuda:99'),
    ],
)
def test_bad_values_of_methods_stop_before_training(name, params, text, tmp_path):
    with pytest.raises(InputError, match=name) as e:
        smoke(name, tmp_path, **params)
    assert (
        text in str(e.value)
        and not list(tmp_path.rglob('runs/*.safetensors'))
        and not list(tmp_path.rglob('efficiency/*.json'))
    )


def test_profile_with_a_wrong_parameter(tmp_path):
    bad = tmp_path / 'mine.yaml'
    bad.write_text(yaml.safe_dump(dict(notebooks=dict(table1_gap=None), parameters=dict(epoch=3))))
    with pytest.raises(
        InputError, match="Unknown parameter in profile mine 'epoch'. Did you mean 'epochs'"
    ):
        plan(str(bad))
    bad.write_text('notebooks: {table1_gap: }\nparameters: {lr: 1e-4}\n')
    with pytest.raises(InputError, match='1.0e-4'):
        plan(str(bad))
