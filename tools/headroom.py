"""How few must real images be for more of them to help? `python tools/headroom.py`.

Table 6 asks whether synthetic images are worth anything as training data. Where a classifier of the
real ones is at its ceiling, nothing can help, and the table could not tell. So its number of real
images is chosen here, on real images alone: of the numbers tried, the largest at which as many new
real ones (Table 6's oracle, R+new) add at least 3 points of balanced accuracy. Patients are those
of the judge's hospital, whom Table 6 never asks; no generator is trained. Rows go to
tools/headroom.csv, beside those of other benchmarks and numbers.

    python tools/headroom.py                       # phantom-ct, reconstructions of flux2-mini
    python tools/headroom.py --numbers 150,300     # other numbers of real images
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

from lgap.generate.arms import fill_tail, new_pool
from lgap.generate.augmentation import Arm, train_arms
from lgap.generate.material import Material, open_material
from lgap.store import atomic_path
from lgap.study.study import Study

TABLE, GAIN = Path(__file__).with_suffix('.csv'), 3.0  # points
CLASSIFIERS, PERCENT = 2, 40  # the share of new images is that of Table 6
STEPS = 8 * 1000  # epochs times images: all classifiers take as many steps
COLUMNS = ('benchmark', 'autoencoder', 'images', 'arm', 'seed', 'balanced_accuracy')


def turned(material: Material) -> Material:
    "The same images, the judge's patients tested and the test patients left alone."
    roles = material.roles
    return replace(material, roles=replace(roles, judge=roles.test, test=roles.judge))


def rows_of(benchmark: str, autoencoder: str, n: int) -> list[dict]:
    "Balanced accuracy of each classifier, with and without new real images."
    names = dict(benchmarks=[benchmark], autoencoders=[autoencoder], n_images=n)
    material = turned(open_material(Study.of('generate', names))[0])
    train = material.roles.train
    wanted = fill_tail(material.counts, round(len(train) * PERCENT / 100))
    new = Arm('R+new', PERCENT, train, *new_pool(material)(wanted))
    rows = []
    arms = [Arm('R', real=train), new]
    for (arm, _), results in train_arms(material, arms, CLASSIFIERS, round(STEPS / n)).items():
        for result in results:
            score = round(result['metrics']['balanced_accuracy'], 6)
            rows.append(dict(zip(COLUMNS, (benchmark, autoencoder, n, arm, result['seed'], score))))
    return rows


def gain(rows: list[dict]) -> float:
    "What new real images add, in points."
    means = []
    for arm in ('R+new', 'R'):
        scores = [row['balanced_accuracy'] for row in rows if row['arm'] == arm]
        means.append(sum(scores) / len(scores))
    return 100 * (means[0] - means[1])


def main():
    "Measure each number of images, keep the rows, and say what the rule chooses."
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--benchmark', default='phantom-ct')
    parser.add_argument('--autoencoder', default='flux2-mini')
    parser.add_argument('--numbers', default='150,300,600', help='real images, by commas')
    asked = parser.parse_args()
    rows, gains = [], {}
    for n in map(int, asked.numbers.split(',')):
        own = rows_of(asked.benchmark, asked.autoencoder, n)
        rows, gains[n] = rows + own, gain(own)
        print(f'{n} real images: as many new ones add {gains[n]:+.1f} points', flush=True)
    with atomic_path(TABLE) as path, open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    enough = [n for n, points in gains.items() if points >= GAIN]
    print(f'The rule chooses {max(enough)}.' if enough else 'The rule chooses none of them.')


if __name__ == '__main__':
    main()
