"""How few must real images be for more of them to help? `python tools/headroom.py`.

Table 6 asks whether synthetic images are worth anything as training data. Where a classifier of the
real ones is at its ceiling, nothing can help, and the table could not tell. Here it is asked, on
real images alone, with how many of them as many new real ones as Table 6 adds (its oracle, R+new)
raise balanced accuracy by at least 3 points. Patients are those of the judge's hospital, whom Table
6 never tests on; no generator is trained. Rows go to tools/headroom.csv; those of other benchmarks
and numbers stay.

    python tools/headroom.py --benchmark phantom-chest --numbers 150,300
    python tools/headroom.py --report              # what the table says, no training
"""

import argparse
import csv
from dataclasses import replace
from itertools import groupby
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


def known_rows() -> list[dict]:
    "The rows of the table, none where there is no table."
    if not TABLE.is_file():
        return []
    with open(TABLE, newline='') as file:
        return list(csv.DictReader(file))


def place(row: dict) -> tuple:
    "What a row is of, but for the arm and the seed."
    return row['benchmark'], row['autoencoder'], int(row['images'])


def add_rows(rows: list[dict]):
    "Put rows into the table, in place of those of the same benchmark, autoencoder and number."
    new = {place(row) for row in rows}
    kept = [row for row in known_rows() if place(row) not in new]
    with atomic_path(TABLE) as path, open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(sorted(kept + rows, key=place))


def mean_of(rows: list[dict], arm: str) -> float:
    "Mean balanced accuracy of an arm, in per cent."
    scores = [float(row['balanced_accuracy']) for row in rows if row['arm'] == arm]
    return 100 * sum(scores) / len(scores)


def report():
    "What new real images add, by benchmark and number."
    for (benchmark, autoencoder, n), own in groupby(sorted(known_rows(), key=place), place):
        rows = list(own)
        real, more = mean_of(rows, 'R'), mean_of(rows, 'R+new')
        verdict = 'room' if more - real >= GAIN else 'no room'
        said = f'{real:.1f} %, with new ones {more - real:+.1f} points: {verdict}'
        print(f'{benchmark} in {autoencoder}, {n} real images: {said}')


def main():
    "Measure each number of images and say what it leaves."
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--benchmark', default='phantom-ct')
    parser.add_argument('--autoencoder', default='flux2-mini')
    parser.add_argument('--numbers', default='150,300', help='real images, by commas')
    parser.add_argument('--report', action='store_true', help='train nothing')
    asked = parser.parse_args()
    numbers = [] if asked.report else map(int, asked.numbers.split(','))
    for n in numbers:
        add_rows(rows_of(asked.benchmark, asked.autoencoder, n))
    report()


if __name__ == '__main__':
    main()
