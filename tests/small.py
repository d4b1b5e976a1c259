"A study that takes seconds, for tests that run it often."

from pathlib import Path

from lgap.study.parts import gather
from lgap.study.replicates import study_gaps
from lgap.study.study import Study

SMALL = dict(
    benchmarks=('phantom-us',),
    autoencoders=('sd-mini',),
    n_images=240,
    size=32,
    n_folds=3,
    image_arch='resnet-mini',
    latent_arch='resnet-mini',
    image_init='random',
    latent_init='random',
    image_stem=4,
    epochs=1,
    bs=64,
    lr=1e-3,
    schedule='cosine',
    rotate=0.0,
    drw_epoch=-1,
    levels=0,
    n_boot=20,
    device='cpu',
    n_jobs=1,
    progress=False,
)


def small_study(cache, **more) -> Study:
    "The study with a cache of its own, and with what differs."
    return Study.flat(**SMALL | dict(cache=str(cache)) | more)


def gap_csv(study: Study) -> str:
    "Run what is missing; the table of all gaps as text."
    found = gather(study)
    return study_gaps(*found, study, ('balanced_accuracy', 'mcc')).to_csv()


def write_gaps(path: Path, cache: Path, **more):
    "The table of a small study, in a file."
    path.write_text(gap_csv(small_study(cache, **more)))


def results(cache: Path) -> dict[str, bytes]:
    "All results below a cache; journals, which tell times, and half files aside."
    files = sorted(Path(cache).rglob('*.safetensors'))
    whole = [path for path in files if not path.name.startswith('.')]
    return {str(path.relative_to(cache)): path.read_bytes() for path in whole}
