"A frozen inpainter in the layout of the hub paints Figure 11."

import pandas as pd
from smoke import run_smoke

from lgap.segment.hub_painter import random_inpainter


def test_figure_11_is_painted_by_a_hub_model(tmp_path):
    folder = random_inpainter(tmp_path / 'sdxl')
    given = dict(hub=str(folder), hub_side=32, words=['pale', 'dark'])
    files = {path.name: path for path in run_smoke('fig11_inpainting', tmp_path, **given)}
    table = pd.read_csv(files['fig11_inpainting.csv'])
    assert list(table.change[:2]) == ['pale less dark', 'nonsense']
    assert not list((tmp_path / 'cache' / 'masks').glob('*inpaint*'))  # none was trained
    assert files['fig11_inpainting.png'].stat().st_size > 1000
