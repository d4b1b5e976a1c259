"Paper notebooks at the smallest scale, each run once for all tests that read what it made."

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import nbformat
import pandas as pd
from kernels import ADDRESS

from lgap.report.plan import Job, plan
from lgap.report.reproduce import execute

TABLE = {'.csv', '.md', '.tex'}
FIGURE = {'.svg', '.png'}
MADE = dict(  # notebook -> kinds of the files that carry its name
    fig1_overview=FIGURE,
    table1_gap=TABLE,
    fig0_summary=FIGURE | {'.csv'},
    fig2_psnr_vs_gap=FIGURE | {'.csv'},
    fig3_reconstructions=FIGURE | {'.csv'},
    table3_narrowing=TABLE,
    fig4_noise=FIGURE | {'.csv'},
    table2_persistence=TABLE,
    fig5_decoder=FIGURE | {'.csv'},
    fig6_learning=FIGURE | {'.csv'},
    fig7_diagnostics=FIGURE | TABLE,
    figs1_null=FIGURE | {'.csv'},
    figs2_convergence=FIGURE | {'.csv'},
    train_generators=FIGURE | {'.csv'},
    fig8_generation=FIGURE | {'.csv'},
    table5_generation=TABLE,
    table6_augmentation=TABLE,
    table7_alignment=TABLE,
    tables1_segmentation=TABLE,
    table8_segmentation=TABLE,
    fig11_inpainting=FIGURE | {'.csv'},
    fig12_augmentation=FIGURE | {'.csv'},
    fig9_ratio=FIGURE | {'.csv'},
    fig10_doses=FIGURE | {'.csv'},
    table9_closing=TABLE,
    table10_tuned=TABLE,
    fig13_unfolding=FIGURE | {'.csv'},
    figs3_decomposition=FIGURE | {'.csv'},
    table4_efficiency=TABLE,
    bench_training=FIGURE | TABLE,
    train_autoencoders=FIGURE | TABLE,
)
PNG, HTML, TEXT = 'image/png', 'text/html', 'text/markdown'
BESIDE = dict(  # shown though no file of that kind is made
    table7_alignment={PNG},
    tables1_segmentation={PNG},
    fig11_inpainting={HTML},
    fig12_augmentation={HTML},
    report_autoencoder={PNG, HTML},
)


def shown(name: str) -> set[str]:
    "What a reader must see at least: what is made, and words about it."
    made = MADE.get(name, set())
    kinds = {PNG} if made >= FIGURE else set()
    kinds |= {HTML} if made >= TABLE else set()
    return kinds | BESIDE.get(name, set()) | {TEXT}


NEEDS = dict(fig0_summary='table1_gap')  # draws what the other has written
UNFORKED = ('bench_training',)  # its workers are forked from the kernel


def smoke_job(
    name: str,  # paper notebook
    home: Path,  # of cache, figures and weights
    **given,  # values that differ from the profile
) -> Job:
    "What the smoke profile wants of a notebook: in folders of its own, and in one process."
    places = dict(cache=str(home / 'cache'), out_dir=str(home / 'figures'), n_jobs=1)
    if name == 'train_autoencoders':
        places['weights'] = str(home / 'weights')
    return plan('smoke', [name], places | given)[0]


def run_smoke(
    name: str,
    home: Path,
    journal: Path | None = None,  # folder; one in the cache when None
    **given,  # see `smoke_job`
) -> list[Path]:  # files that it says it made
    "Run a notebook as `lgap_reproduce` does."
    job = smoke_job(name, home, **given)
    journal = journal or home / 'cache' / 'journal' / f'smoke-{name}'
    with patch.dict(os.environ):
        if name in UNFORKED:
            os.environ.pop(ADDRESS, None)
        return execute(job.source, home / 'runs' / job.source.name, job.parameters, journal)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    "One process at a time."
    with open(path, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass
class Smoked:
    "Results of the smoke profile, in a folder that the processes of a test run share."

    home: Path

    @property
    def cache(self) -> Path:
        return self.home / 'cache'

    def __call__(self, name: str) -> dict[str, Path]:  # file name -> file
        "Files of a notebook, which is run when nobody has asked for it before."
        if name in NEEDS:
            self(NEEDS[name])
        said = self.home / f'{name}.json'
        with locked(self.home / f'{name}.lock'):
            if not said.is_file():
                made = run_smoke(name, self.home)
                said.write_text(json.dumps(list(map(str, made))))
        paths = map(Path, json.loads(said.read_text()))
        return {path.name: path for path in paths}

    def csv(self, notebook: str, table: str = '', **kinds) -> pd.DataFrame:
        "A table of a notebook, the one with its name unless another is named."
        return pd.read_csv(self(notebook)[f'{table or notebook}.csv'], **kinds)

    def all(self) -> dict[str, Path]:  # file name -> file
        "Files of all notebooks but the report."
        found = {}
        for name in MADE:
            found |= self(name)
        return found


# Reading tables
CLOSE = 2e-6  # tables keep six digits


def main_metric(df: pd.DataFrame) -> pd.DataFrame:
    "Rows of balanced accuracy by autoencoder."
    return df[df.metric == 'balanced_accuracy'].set_index('autoencoder')


def differ(one, other) -> float:
    "Largest difference of two columns, rows in order."
    return abs(pd.Series(one).to_numpy() - pd.Series(other).to_numpy()).max()


def kinds_shown(executed: Path) -> set[str]:
    "Kinds of the outputs in an executed notebook."
    cells = [cell for cell in nbformat.read(executed, 4).cells if cell.cell_type == 'code']
    return {kind for cell in cells for output in cell.outputs for kind in output.get('data', {})}


def plain_words(notebook: Path) -> str:
    "What the cell under 'In plain words' shows; empty where it was not run."
    cells = nbformat.read(notebook, 4).cells
    (at,) = (k for k, cell in enumerate(cells) if cell.source == '## In plain words')
    (shows,) = cells[at + 1].outputs or [{}]
    return shows.get('data', {}).get('text/markdown', '')
