"Unknown names and impossible values stop a notebook or a command before anything is computed."

import fresh
import pytest
import yaml
from smoke import smoke_job
from toy_manifest import read, six_images, write

from lgap.core import InputError
from lgap.report.plan import plan

TABLE_1 = [
    (dict(benchmarks=['phantom-mri']), "Unknown benchmark 'phantom-mri'"),
    (dict(autoencoders=['sd-maxi']), "Unknown autoencoder 'sd-maxi'"),
    (dict(autoencoders=['flux2-dev']), 'instead you can use taef2'),
    (dict(size=50), 'no multiple of 4; resize to 48'),
    (dict(n_images=30), 'too few patients for 3 folds'),
    (dict(loss='hinge'), "Unknown loss 'hinge'"),
    (dict(latent_arch='resnet-maxi'), "Unknown classifier 'resnet-maxi'"),
    (dict(mask_mode='rows'), "Unknown mask mode 'rows'"),
    (dict(latent_init='nowhere'), 'No checkpoint folder'),
    (dict(device='cuda:99'), 'cuda:99'),
    (dict(scheduler='slurm'), "Unknown scheduler 'slurm'"),
]
OTHERS = [
    ('table3_narrowing', dict(alpha=1.5), 'lies in [0, 1]'),
    ('table3_narrowing', dict(soft='l1'), "Unknown soft loss 'l1'"),
    ('table3_narrowing', dict(teacher='latent'), "Unknown teacher 'latent'"),
    ('fig4_noise', dict(levels=1), 'at least 2 noise levels'),
    ('table2_persistence', dict(variants=['mask:2']), 'must lie in [0, 1)'),
    ('table2_persistence', dict(variants=['learning_rate:1']), 'Unknown field of a variant'),
    ('table2_persistence', dict(variants=['loss:hinge']), "Unknown loss 'hinge'"),
    ('fig5_decoder', dict(frozen=[9]), 'a decoder of 5 blocks'),
    ('fig6_learning', dict(percents=[50, 100]), 'at least three'),
    ('fig6_learning', dict(percents=[1, 50, 100]), 'too few for an image of each'),
    ('train_generators', dict(widths=[20, 20]), 'multiples of 16'),
    ('table5_generation', dict(sample_steps=1), 'steps is 1'),
    ('table5_generation', dict(ways=['softly']), "Unknown way of steering 'softly'"),
    ('table6_augmentation', dict(percent=0), 'a share from 1 to 320'),
    ('fig9_ratio', dict(percents=[]), 'percents is empty'),
    ('fig10_doses', dict(scrambles=['stir-2']), 'stir'),
    ('table4_efficiency', dict(decoders=['flux9']), "Unknown decoder 'flux9'"),
    ('table4_efficiency', dict(sizes=[100]), 'multiples of 8'),
    ('table4_efficiency', dict(device='cuda:99'), 'cuda:99'),
]


@pytest.mark.parametrize(
    'name, given, text', [*(('table1_gap', *case) for case in TABLE_1), *OTHERS], ids=str
)
def test_bad_values_stop_before_training(name, given, text, tmp_path):
    job = smoke_job(name, tmp_path, **given)
    passed, said = fresh.run(tmp_path / 'log', fresh.paper_notebook, job.source, job.parameters)
    assert not passed
    last = said.strip().splitlines()[-1]
    assert 'Error: ' in last and text in said, said[-2000:]
    assert 'InputError' in said
    assert not list(tmp_path.rglob('runs/*.safetensors'))
    assert not list(tmp_path.rglob('efficiency/*.json'))
    assert not (tmp_path / 'figures').exists()


def one_seven(folder):
    write(folder, read(folder).replace(dict(NV={1: 7})))


def no_mask(folder):
    (folder / '3-mask.png').unlink()


def cut_image(folder):
    (folder / '3.png').write_bytes((folder / '3.png').read_bytes()[:200])


def nothing(folder):
    "Three patients are too few as they are, and are counted before any benchmark is encoded."


@pytest.mark.parametrize(
    'spoil, text',
    [
        (one_seven, "class column 'NV' holds '7'; class columns hold 0 or 1 only"),
        (no_mask, '3-mask.png (1 of 6 missing)'),
        (cut_image, '1 of 6 images cannot be used'),
        (nothing, 'too few patients for 3 folds in MEL (2), NV (1)'),
    ],
)
def test_bad_lists_stop_before_training(spoil, text, tmp_path):
    folder = six_images(tmp_path / 'images')
    spoil(folder)
    given = dict(benchmarks=['phantom-us', str(folder / 'images.csv')])
    test_bad_values_stop_before_training('table1_gap', given, text, tmp_path)
    assert not list(tmp_path.rglob('*.safetensors'))


@pytest.mark.parametrize(
    'words, text',
    [
        ('--profile demmo', "Unknown profile 'demmo'. Did you mean 'demo'?"),
        ('--only table1', "Unknown notebook 'table1'. Did you mean 'table1_gap'?"),
        ('-p learning_rate=1', "Unknown parameter 'learning_rate'"),
        ('-p epochs=many', "Parameter epochs='many' is str; it wants int"),
        ('-p lr', 'write name=value'),
        ('-p lr=small', "Parameter lr='small' is str; it wants float"),
        ('-p epochs=[1', "-p epochs=[1: '[1' cannot be read"),
        ('-p max_folds=-1', 'max_folds is -1 of 5 folds'),
        ('-p window=99,1', 'give two rising percentiles'),
        ('-p window=low,high', "'low' is str; it wants float"),
        ('--profile nowhere.yaml', 'No such profile'),
        ('--check nowhere', 'holds no record.json'),
        ('--address tcp://a:1', 'is for the scheduler dask'),
    ],
)
def test_reproduce_checks_names_first(words, text, tmp_path):
    places = ['-p', f'out_dir={tmp_path}/figures', '-p', f'cache={tmp_path}/cache']
    log = tmp_path / 'log'
    passed, said = fresh.run(log, fresh.console, 'lgap_reproduce', *words.split(), *places)
    assert not passed and said.startswith('lgap_reproduce: ') and text in said
    assert list(tmp_path.iterdir()) == [log]


@pytest.mark.parametrize(
    'words, text',
    [
        ('--ae sd-maxi --benchmark phantom-us', "Unknown autoencoder 'sd-maxi'"),
        ('--ae sd-mini --benchmark phantom-mri', "Unknown benchmark 'phantom-mri'"),
        ('--ae sd-mini --benchmark phantom-us -p epoch=3', "Did you mean 'epochs'?"),
        ('--ae sd-mini --benchmark phantom-us --folds -1', 'max_folds is -1 of 5 folds'),
        ('--ae sd-mini --benchmark phantom-us --size 63', 'resize to 64'),
        ('--ae sd-mini --benchmark phantom-us -p benchmarks=x', 'would change nothing'),
    ],
)
def test_diagnose_checks_names_first(words, text, tmp_path):
    places = ['--out', str(tmp_path / 'report'), '-p', f'cache={tmp_path}/cache']
    log = tmp_path / 'log'
    passed, said = fresh.run(log, fresh.console, 'lgap_diagnose', *words.split(), *places)
    assert not passed and 'lgap_diagnose: ' in said and text in said
    assert not list(tmp_path.rglob('*.safetensors'))


def test_watch_without_a_sweep(tmp_path):
    words = ['--once', '--cache', str(tmp_path)]
    passed, said = fresh.run(tmp_path / 'log', fresh.console, 'lgap_watch', *words)
    assert not passed and said.startswith('lgap_watch: No journal below')


@pytest.mark.parametrize(
    'said, text',
    [
        (dict(parameters=dict(epoch=3)), "'epoch'. Did you mean 'epochs'"),
        (dict(parameters=dict(lr='1e-4')), '1.0e-4'),
        (dict(notebooks=dict(table1_gap=dict(variants=[]))), "of table1_gap 'variants'"),
        (dict(notebooks=dict(table9=None)), "Unknown notebook 'table9'"),
        (dict(base='mine'), 'cannot be its own base'),
        (dict(base='yours'), "Unknown profile 'yours'"),
        (dict(more=1), 'not more'),
        (dict(notebooks={}), '"notebooks" is missing'),
    ],
)
def test_profiles_are_checked(said, text, tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(yaml.safe_dump(dict(notebooks=dict(table1_gap=None)) | said))
    with pytest.raises(InputError) as caught:
        plan(str(path))
    assert text in str(caught.value)
