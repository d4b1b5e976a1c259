"""Break lines that decide a number, one after the other, and see whether an example notices.

`python tools/mutate.py` works on a copy of the notebooks and the package. A line is changed in its
notebook, the module is exported, and the notebooks named beside it are run: an example that fails
has noticed. A line that is not there any more is an error, so that the list follows the code; so is
a notebook that fails without any change, which would notice everything.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastcore.script import call_parse

ROOT = Path(__file__).resolve().parent.parent
COPIED = ('nbs', 'lgap', 'settings.ini', 'setup.py')
WANTED = 9  # of ten


@dataclass(frozen=True)
class Mutation:
    "One change of one line."

    what: str  # what the line decides
    notebook: str  # in nbs, without suffix
    old: str  # stands once in the exported cells
    new: str
    seen_by: tuple[str, ...] = ()  # further notebooks that are run


MUTATIONS = [
    Mutation(
        'masks are mirrored with their images',
        'segment/02_training',
        'torch.cat([once, once.flip(-1)][:views])',
        'torch.cat([once, once][:views])',
    ),
    Mutation(
        'a distance that grows is a loss',
        'segment/04_gap',
        'SCORES = dict(dice=1, iou=1, hd95=-1)',
        'SCORES = dict(dice=1, iou=1, hd95=1)',
    ),
    Mutation(
        'share of the latent that is masked',
        'classifiers/05_batches',
        'keep_mask(shape, ratio, gen)',
        'keep_mask(shape, ratio / 2, gen)',
    ),
    Mutation(
        'views are drawn from the generator that all spaces share',
        'classifiers/07a_steps',
        'torch.randint(self.run.views, (len(idx),), generator=self.host)',
        'torch.randint(self.run.views, (len(idx),))',
    ),
    Mutation(
        'classes weigh alike in the validation score',
        'classifiers/04a_scores',
        'means = [right[:, targets == k].mean(1) for k in np.unique(targets)]',
        'means = [right.mean(1)]',
    ),
    Mutation(
        'margin of rare classes (LDAM)',
        'classifiers/03_losses',
        'clamp(min=1) ** -0.25',
        'clamp(min=1) ** -0.5',
    ),
    Mutation(
        'which fold validates',
        'data/01_benchmark',
        'test, val = k, (k + 1) % n_folds',
        'test, val = k, (k + 2) % n_folds',
    ),
    Mutation(
        'patients drawn in the bootstrap',
        'measure/01b_bootstrap',
        'multinomial(n - 1, np.full(n, 1 / n), size=n_boot)',
        'multinomial(n // 2, np.full(n, 1 / n), size=n_boot)',
    ),
    Mutation(
        'epoch of deferred re-weighting',
        'classifiers/08_training',
        'if epoch != self.run.drw_epoch:',
        'if epoch != self.run.drw_epoch + 1:',
    ),
    Mutation(
        'balanced accuracy is a mean over classes',
        'classifiers/04_metrics',
        'balanced_accuracy=float(np.mean(recall)),',
        'balanced_accuracy=float(np.median(recall)),',
    ),
    Mutation(
        'the latent is the posterior mode',
        'autoencoders/01_wrapper',
        'output.latent_dist.mode()',
        'output.latent_dist.sample()',
    ),
    Mutation(
        'latents are scaled to half a standard deviation',
        'classifiers/05_batches',
        'return (DEVIATION if as_latents else 1.0) / std',
        'return (1.0 if as_latents else 1.0) / std',
    ),
    Mutation(
        'range of the PSNR',
        'autoencoders/01_wrapper',
        'peak_signal_noise_ratio(recon, image, data_range=1.0,',
        'peak_signal_noise_ratio(recon, image, data_range=2.0,',
    ),
    Mutation(
        'tail of the signed-rank test',
        'measure/01c_pair_tests',
        "wilcoxon(differences, alternative='greater', method='exact')",
        "wilcoxon(differences, alternative='less', method='exact')",
    ),
    Mutation(
        'the lowest frequencies make the first plane',
        'autoencoders/09_unfold_fitting',
        'return square + sorted(rest, key=sum)',
        'return sorted(rest, key=sum) + square',
    ),
    Mutation(
        'a share is of the gap of plain latents',
        'remedy/02_closing',
        'share = share_interval(value - plain, recon - plain, LEAST_GAP)',
        'share = share_interval(value - plain, recon - value, LEAST_GAP)',
    ),
]


def mutate(path: Path, mutation: Mutation):
    "Change a line of a notebook; an error when it does not stand there exactly once."
    notebook = json.loads(path.read_text())
    found = 0
    for cell in notebook['cells']:
        source = ''.join(cell['source'])
        if source.startswith('#| export'):
            found += source.count(mutation.old)
            cell['source'] = source.replace(mutation.old, mutation.new).splitlines(keepends=True)
    if found != 1:
        sys.exit(f'{mutation.notebook}: {mutation.old!r} stands {found} times, not once.')
    path.write_text(json.dumps(notebook))


def last_line(text: str) -> str:
    "The last line of an error in what `nbdev_test` prints: its traceback ends with it."
    lines = text.partition('nbdev Tests Failed')[0].splitlines()
    return next((line for line in reversed(lines) if line.strip()), 'no output')


def run_notebook(copy: Path, notebook: str) -> str:  # empty when its examples hold
    "The last line of the failure of a notebook, with the package of the copy."
    environment = os.environ | dict(PYTHONPATH=str(copy), LGAP_DATA=str(copy / 'data'))
    tester = Path(sys.executable).parent / 'nbdev_test'
    command = [str(tester), '--path', f'nbs/{notebook}.ipynb', '--n_workers', '0']
    place = dict(cwd=copy, env=environment)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **place
    )
    return last_line(done.stdout) if done.returncode else ''


@contextmanager
def copied() -> Iterator[Path]:
    "A copy of the notebooks and the package, for as long as the block lasts."
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            place = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            place(ROOT / name, copy / name)
        yield copy


def seeing(mutation: Mutation) -> tuple[str, ...]:
    "The notebooks whose examples should notice a change."
    return (mutation.notebook, *mutation.seen_by)


def check_unchanged(mutations: list[Mutation]):
    "Exit with a message when a notebook fails without any change."
    names = [name for mutation in mutations for name in seeing(mutation)]
    with copied() as copy:
        for name in dict.fromkeys(names):
            if failure := run_notebook(copy, name):
                sys.exit(f'{name} fails without a change, so it can notice none: {failure}')


def failure_of(mutation: Mutation) -> str:  # empty when nobody notices
    "The last line of the first failure in a copy with the change."
    with copied() as copy:
        path = copy / 'nbs' / f'{mutation.notebook}.ipynb'
        mutate(path, mutation)
        export = f'from nbdev.export import nb_export; nb_export({str(path)!r}, "lgap")'
        subprocess.run([sys.executable, '-c', export], cwd=copy, check=True)
        failures = (run_notebook(copy, notebook) for notebook in seeing(mutation))
        return next(filter(None, failures), '')


@call_parse
def main(
    only: str = '',  # a word of what the line decides; all when empty
) -> int:  # exit status
    "Break lines that decide a number, one after the other, and see whether an example notices."
    chosen = [mutation for mutation in MUTATIONS if only in mutation.what]
    check_unchanged(chosen)
    noticed = 0
    for mutation in chosen:
        failure = failure_of(mutation)
        noticed += bool(failure)
        print(f'{"noticed" if failure else "NOT NOTICED":12} {mutation.what}', flush=True)
        if failure:
            print(f'{"":12} {failure}', flush=True)
    print(f'{noticed} of {len(chosen)} noticed')
    return int(noticed < min(WANTED, len(chosen)))
