"What the smoke profile says of closing the gap agrees with Table 1."

from smoke import CLOSE, differ, main_metric


def test_closing_shares_the_baseline(smoked):
    "Table 9, Figures 13 and S3 start from Table 1's latent and end at its reconstruction."
    want = main_metric(smoked.csv('table1_gap')).loc['flux2-mini']
    nine = smoked.csv('table9_closing').set_index('arm')
    assert abs(nine.value['plain'] - want.latent) < CLOSE
    assert differ(nine.recon, [want.recon] * len(nine)) < CLOSE
    assert differ(nine.gap, nine.recon - nine.value) < CLOSE
    assert differ(nine.gain, nine.value - want.latent) < CLOSE
    thirteen = smoked.csv('fig13_unfolding').set_index('arm').value
    assert abs(thirteen['unfolded'] - nine.value['unfolded']) < CLOSE
    parts = smoked.csv('figs3_decomposition', 'figs3_parts')
    assert abs(parts.gain.sum() - want.learnability) < CLOSE
    assert abs(parts.start.iloc[0] - want.latent) < CLOSE


def test_fine_tuned_latents_share_the_baseline(smoked):
    "Table 10 starts from Table 1's latent, and judges each term by the training without one."
    want = main_metric(smoked.csv('table1_gap')).loc['flux2-mini']
    ten = smoked.csv('table10_tuned', keep_default_na=False).set_index('arm')
    assert list(ten.index) == ['plain', 'continued', 'scale', 'align']
    assert abs(ten.latent['plain'] - want.latent) < CLOSE
    assert abs(ten.psnr['plain'] - want.psnr) < CLOSE
    assert differ(ten.gain, ten.latent - ten.latent['continued']) < CLOSE
    assert differ(ten.cost, ten.psnr['continued'] - ten.psnr) < CLOSE
    assert (ten.verdict != '').tolist() == [False, False, True, True]


def test_the_map_changes_no_reconstruction(smoked):
    prices = smoked.csv('table9_closing', 'table9_prices').set_index('arm')
    assert prices.psnr_change['unfolded'] < 0.005
    assert prices.operations.between(0, 0.2).all() and (prices.fewer > 1).all()
    said = smoked.csv('table9_closing', 'table9_verdict')
    assert set(said.verdict) <= {'closed', 'narrowed', 'not closed', 'nothing to close'}
    assert set(said.stage) == {'development'}
