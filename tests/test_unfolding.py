"The unfoldings in the package belong to the weights beside them, and show an image."

import fresh
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import load_tool
from smoke import smoke_job

from lgap.autoencoders.registry import load_autoencoder, unfolded_specs, unfolding_file
from lgap.autoencoders.trunk import Trunk
from lgap.autoencoders.unfold_fitting import LEAVES, leaf_moments
from lgap.autoencoders.unfolded import SUFFIX, read_unfolding
from lgap.autoencoders.wrapper import decode, encode
from lgap.core import InputError
from lgap.data.sources import phantom
from lgap.generate.material import Plan, generator_run, open_material, train_generators
from lgap.generate.samplers import Sampler
from lgap.generate.steering import Guides, draw
from lgap.study.profiles import load_profile
from lgap.study.study import Study

NAMES = ['sd-mini', 'flux1-mini', 'flux2-mini', 'medvae-mini']


def test_all_general_ones_have_an_unfolding():
    assert list(unfolded_specs()) == [f'{name}{SUFFIX}' for name in NAMES]


@pytest.mark.parametrize('name', NAMES)
def test_reconstructions_stay(name):
    "Exactly invertible, also on grids that no fit has seen; no image changes by a grey level."
    plain, unfolded = load_autoencoder(name), load_autoencoder(f'{name}{SUFFIX}')
    h = unfolded.net.h
    for shape in ((3, 5), (16, 16)):
        z = 3 * torch.randn(2, plain.spec.channels, *shape)
        assert (h.inverse(h(z)) - z).abs().max() < 1e-4
    images = phantom('phantom-ct', 8, 64).images()
    one, two = (decode(ae, encode(ae, images), 1) for ae in (plain, unfolded))
    assert (one - two).abs().max() < 1e-3


def test_what_was_fitted_is_said(monkeypatch, tmp_path):
    "A fit by the tool says what it was made from, and is what a fit anew gives."
    tool = load_tool('unfoldings')
    few = dict(n=32, seed=909)
    monkeypatch.setattr(tool, 'unfolding_file', lambda key, path: tmp_path / f'{key}.safetensors')
    monkeypatch.setattr(tool, 'LEAVES', few)
    fit = tool.fit_unfolding
    monkeypatch.setattr(tool, 'fit_unfolding', lambda ae, size: fit(ae, size, **few))
    unfolding, said = read_unfolding(tool.write('sd-mini'))
    assert {key: said[key] for key in few} == few
    assert torch.equal(unfolding.matrix, fit(load_autoencoder('sd-mini'), 64, **few)[0].matrix)
    committed = read_unfolding(unfolding_file(f'sd-mini{SUFFIX}', ''))[1]
    assert {key: committed[key] for key in LEAVES} == LEAVES
    assert committed['weights'] == said['weights']


def test_the_committed_ones_show_images():
    "Unfolded phantoms, none of which was fitted on, look like their reconstructions made small."
    images = phantom('phantom-us', 6, 64).images()
    for name in ('flux1-mini', 'flux2-mini'):
        ae = load_autoencoder(f'{name}{SUFFIX}')
        z = encode(ae, images)
        small = F.avg_pool2d(decode(ae, z, 1), 2)
        found = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(z[:, 0], small[:, 0])]
        assert min(found) > 0.9, name


def test_a_fit_on_other_leaves_is_much_the_same():
    ae = load_autoencoder('flux2-mini')
    committed = read_unfolding(unfolding_file(f'flux2-mini{SUFFIX}', ''))[0]
    anew = leaf_moments(ae, 64, n=256, seed=1)
    shown = torch.diag(anew.strength**-1) @ committed.matrix @ torch.linalg.inv(anew.whitening)
    assert (shown @ anew.correlations).diagonal()[:16].min() > 0.9


def test_it_goes_where_autoencoders_go():
    "Cut at a block of its decoder it says what the plain one says."
    ae = load_autoencoder(f'flux2-mini{SUFFIX}')
    z = encode(ae, phantom('phantom-us', 2, 64).images())
    plain = load_autoencoder('flux2-mini')
    with torch.no_grad():
        one = Trunk(ae, 1)(z)
        two = Trunk(plain, 1)(ae.net.h.inverse(z))
    assert torch.allclose(one, two, atol=1e-3)


def test_latents_of_others_are_refused():
    ae = load_autoencoder(f'flux2-mini{SUFFIX}')
    with pytest.raises(InputError, match=r'expected \[B, 2, h, w\]'):
        decode(ae, torch.zeros(1, 32, 8, 8))
    with pytest.raises(InputError, match='fitted for'):
        ae.net.h.inverse(torch.zeros(1, 2, 30, 32))


@pytest.fixture(scope='module')
def remedied(smoked, tmp_path_factory):
    "A folder that the command has written with a report, and what it said."
    smoked('table1_gap')
    values = smoke_job('table1_gap', smoked.home).values
    skipped = {'benchmarks', 'autoencoders', 'max_folds', 'size'}
    names = set(load_profile('smoke').values) - skipped | {'cache', 'n_jobs'}
    given = [word for name in sorted(names) for word in ('-p', f'{name}={values[name]}')]
    home = tmp_path_factory.mktemp('remedy')
    line = ['--ae', 'flux2-mini', '--out', str(home / 'laid'), '--images', 'phantom-us']
    line += ['--size', str(values['size']), '--folds', '1', '--leaves', '64', '-p', 'null=', *given]
    passed, said = fresh.run(home / 'log', fresh.console, 'lgap_remedy', *line)
    assert passed, said[-2000:]
    return home / 'laid', said


def test_the_command_writes_an_autoencoder_and_a_report(remedied):
    folder, said = remedied
    assert '32 channels laid out as 2 of 4 times' in said
    gaps = pd.read_csv(folder / 'report' / 'gaps.csv')
    assert set(gaps.autoencoder) == {'laid', 'flux2-mini'}
    gaps = gaps[gaps.metric == 'balanced_accuracy'].set_index('autoencoder')
    before, after = (f'{100 * gaps.learnability[name]:.1f}' for name in ('flux2-mini', 'laid'))
    sentence = next(line for line in said.splitlines() if line.startswith('Learnability gap bef'))
    assert before.replace('-', '−') in sentence and after.replace('-', '−') in sentence
    assert abs(gaps.psnr['laid'] - gaps.psnr['flux2-mini']) < 0.005
    images = phantom('phantom-us', 2, 64).images()
    both = [load_autoencoder(name) for name in (str(folder), 'flux2-mini')]
    one, two = (decode(ae, encode(ae, images)) for ae in both)
    assert (one - two).abs().max() < 1e-3


def test_a_folder_that_is_there_is_kept(remedied, tmp_path):
    folder, _ = remedied
    line = ['lgap_remedy', '--ae', 'sd-mini', '--out', str(folder)]
    passed, said = fresh.run(tmp_path / 'log', fresh.console, *line)
    assert not passed and 'lgap_remedy: ' in said and 'is not empty' in said


def test_latents_are_generated_in_it(smoked):
    "A generator of unfolded latents works on the same cells as one of plain latents."
    values = smoke_job('table5_generation', smoked.home).values
    study = Study.of('smoke', dict(autoencoders=[f'sd-mini{SUFFIX}'], cache=values['cache']))
    plan = Plan(steps=2, widths=(16, 16), bs=8, sampler=Sampler(steps=2))
    material = open_material(study.but(n_jobs=1, progress=False), plan)[0]
    (generator,) = train_generators(material, [generator_run(material)])
    images = draw(Guides(material, generator), np.array([0, 1]))
    assert images.shape == (2, 1, 32, 32) and images.dtype == torch.uint8
    plain = load_autoencoder('sd-mini').spec
    assert material.ae.spec.channels * 4 == plain.channels
    assert material.ae.spec.factor * 2 == plain.factor
