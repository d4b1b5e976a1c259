"Six small images with masks, and the list that names them: what tests of manifests begin with."

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lgap.data.benchmark import Benchmark
from lgap.data.manifests import manifest_benchmark


def noise(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    "An image in which no two pixels are related."
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def six_images(place: Path) -> Path:
    "Six images of three patients with masks, and images.csv, in a new folder."
    place.mkdir()
    for k in range(6):
        Image.fromarray(noise(k)).save(place / f'{k}.png')
        outline = np.zeros((24, 32), bool)
        outline[:, 4 + k : 16] = True
        Image.fromarray(outline).save(place / f'{k}-mask.png')
    table = dict(
        path=[f'{k}.png' for k in range(6)],
        id=list('aabbcc'),
        mask=[f'{k}-mask.png' for k in range(6)],
        MEL=[1, 1, 0, 0, 1, 1],
        NV=[0, 0, 1, 1, 0, 0],
    )
    write(place, pd.DataFrame(table))
    return place


def read(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / 'images.csv')


def write(folder: Path, table: pd.DataFrame):
    table.to_csv(folder / 'images.csv', index=False)


def load(folder: Path, **options) -> Benchmark:
    return manifest_benchmark(folder / 'images.csv', **dict(size=24, channels=1) | options)
