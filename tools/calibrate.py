"""How strong must a phantom's finding be to survive reconstruction? `python tools/calibrate.py`.

One classifier is trained on images and on the reconstructions of each autoencoder; latents are
never looked at. Patients are those of seed 7, so none of a benchmark (seed 0). A strength will do
if the mean fidelity gap (image minus reconstruction, balanced accuracy) over the autoencoders is at
most 2 points and none exceeds 4. Rows go to tools/calibrate.csv; those that are there are not
computed again unless the code of the drawings has changed.

    python tools/calibrate.py phantom-us                # the frozen strengths, and 0.7 of them
    python tools/calibrate.py phantom-us --strength 0,1,1,0.8  # others
    python tools/calibrate.py phantom-us-faint --scales 1      # the weak ones: they have a gap
    python tools/calibrate.py --report                         # what the table says, no training
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch

from lgap.autoencoders.registry import load_autoencoder
from lgap.autoencoders.wrapper import decode, encode
from lgap.classifiers.run import Run
from lgap.classifiers.training import train_run
from lgap.data.benchmark import Benchmark, Fold, byte_images
from lgap.data.phantom_benchmarks import every_phantom, phantom, phantom_table
from lgap.store import code_digest

SEED, AUTOENCODERS, MEAN_GAP, WORST_GAP = 7, ('sd-mini', 'flux1-mini', 'flux2-mini'), 2.0, 4.0
TABLE = Path(__file__).with_suffix('.csv')
KEY = ('benchmark', 'strength', 'drawing', 'images', 'space', 'fold')
COLUMNS = (*KEY, 'balanced_accuracy', 'recalls', 'date')
RECIPE = dict(
    epochs=30,
    patience=30,
    bs=32,
    lr=4e-3,
    schedule='cosine',
    stem=4,
    drw_epoch=20,
    rotate=0.0,
)


def halves(bench: Benchmark, share: float = 0.3) -> list[Fold]:
    "Two folds: the patients of one half train and validate, those of the other test."
    half = bench.groups >= np.median(bench.groups)
    folds = []
    for side in (False, True):
        own = np.flatnonzero(half == side)
        patients = np.unique(bench.groups[own])
        kept_out = bench.groups[own] >= np.quantile(patients, 1 - share)
        folds.append(Fold(own[~kept_out], own[kept_out], np.flatnonzero(half != side)))
    return folds


def bytes_of(space: str, images: torch.Tensor) -> torch.Tensor:
    "The images, or their reconstructions by the autoencoder that the space is named by."
    if space == 'image':
        return images
    autoencoder = load_autoencoder(space)
    return byte_images(decode(autoencoder, encode(autoencoder, images), images.shape[1]))


def recalls(bench: Benchmark, space: str, x: torch.Tensor, fold: Fold, k: int) -> list[float]:
    "Share of each class that is found on the fold's test side, in percent."
    kind = dict(space='image') if space == 'image' else dict(space='recon', autoencoder=space)
    run = Run(bench.name, **kind, fold=k, **RECIPE)
    found = train_run(run, x, bench.targets, fold, len(bench.classes))
    truth, guess = bench.targets[found['index']], found['logits'].argmax(1)
    classes = range(len(bench.classes))
    return [100 * float((guess[truth == c] == c).mean()) for c in classes]


def write_rows(rows: list[dict]):
    "Write the whole table."
    with TABLE.open('w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)


def read_rows() -> list[dict]:
    "The table, values as text; none when there is none."
    if not TABLE.is_file():
        return []
    with TABLE.open(newline='') as file:
        return list(csv.DictReader(file))


def missing_rows(
    name: str, strength: tuple[float, ...], n: int, n_folds: int, autoencoders: list[str]
) -> list[dict]:
    "Rows that the table lacks, without their results."
    common = dict(
        benchmark=name,
        strength=' '.join(map(str, strength)),
        drawing=code_digest(every_phantom()[name].draw.__module__.removeprefix('lgap.'))[:8],
        images=str(n),
    )
    cases = product(('image', *autoencoders), range(n_folds))
    rows = [common | dict(space=space, fold=str(k)) for space, k in cases]
    known = {itemgetter(*KEY)(row) for row in read_rows()}
    return [row for row in rows if itemgetter(*KEY)(row) not in known]


def measure(name: str, strength: tuple[float, ...], wanted: list[dict]):
    "Train for each wanted row, and append it to the table."
    bench = phantom(name, int(wanted[0]['images']), seed=SEED, strength=strength)
    folds, images = halves(bench), bench.images()
    for space, rows in groupby(wanted, itemgetter('space')):
        x = bytes_of(space, images)
        for row in rows:
            k = int(row['fold'])
            found = recalls(bench, space, x, folds[k], k)
            row['balanced_accuracy'] = f'{np.mean(found):.1f}'
            row['recalls'] = ' '.join(f'{one:.0f}' for one in found)
            row['date'] = time.strftime('%Y-%m-%d')
            write_rows([*read_rows(), row])


def report(rows: list[dict]) -> Iterator[str]:
    "A line for each benchmark and strength: image, fidelity gaps, and whether they will do."
    groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = tuple(row[name] for name in KEY[:4])
        groups[key][row['space']].append(float(row['balanced_accuracy']))
    for (name, strength, drawing, images), found in groups.items():
        image = np.mean(found['image'])
        gaps = [image - np.mean(found[one]) for one in AUTOENCODERS if one in found]
        if not gaps:
            continue
        good = np.mean(gaps) <= MEAN_GAP and max(gaps) <= WORST_GAP
        listed = ' '.join(f'{gap:5.1f}' for gap in gaps)
        yield (
            f'{name:20} [{strength}] {drawing} {images} images, {len(found["image"])} folds: '
            f'image {image:.1f}, gaps {listed}, mean {np.mean(gaps):.1f}'
            f'{" will do" if good else ""}'
        )


def main():
    "Command line."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=list(phantom_table()), help='phantoms')
    parser.add_argument('--scales', default='0.7,1', help='multiples of the frozen strengths')
    parser.add_argument('--strength', help='one per class, instead of the frozen ones')
    parser.add_argument('--images', type=int, default=2000, help='half train, half test')
    parser.add_argument('--folds', type=int, default=2, choices=(1, 2))
    parser.add_argument('--autoencoders', default=','.join(AUTOENCODERS))
    parser.add_argument('--report', action='store_true', help='print the table, train nothing')
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in [] if args.report else args.names:
        given = every_phantom()[name].strength
        if args.strength:
            given = tuple(float(one) for one in args.strength.split(','))
        for scale in [float(one) for one in args.scales.split(',')]:
            strength = tuple(round(scale * one, 3) for one in given)
            chosen = args.autoencoders.split(',')
            if wanted := missing_rows(name, strength, args.images, args.folds, chosen):
                measure(name, strength, wanted)
    print('\n'.join(report(read_rows())))


if __name__ == '__main__':
    main()
