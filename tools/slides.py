"""`make slides`: a lecture as a PDF, made of the figures that the notebooks show.

What stands on the slides is in `tools/slides.yaml`; the pictures are the outputs that the
repository keeps, so that a slide cannot differ from its notebook.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import nbformat
import yaml
from fastcore.script import call_parse
from matplotlib.backends.backend_pdf import PdfPages

from lgap.core import project_root, require
from lgap.store import atomic_path

PAGE = (13.333, 7.5)  # inches, 16:9


@dataclass(frozen=True)
class Slide:
    "One page."

    notebook: str  # path below nbs, without suffix
    picture: int  # number of the figure in it, from 0
    title: str
    say: list[str]  # sentences


def load_slides(path: Path) -> list[Slide]:
    "The slides of a lecture, in order."
    return [Slide(**one) for one in yaml.safe_load(path.read_text())]


def pictures_of(
    path: Path,  # a notebook
) -> list[bytes]:  # PNG files
    "The figures that a notebook shows, in order."
    found = []
    for cell in nbformat.read(path, 4).cells:
        shown = [output.get('data', {}) for output in cell.get('outputs', [])]
        found += [base64.b64decode(data['image/png']) for data in shown if 'image/png' in data]
    return found


def picture_of(
    nbs: Path,  # folder of the notebooks
    slide: Slide,
) -> bytes:  # a PNG file
    "The figure of a slide; `InputError` where the notebook shows fewer."
    found = pictures_of(nbs / f'{slide.notebook}.ipynb')
    require(
        0 <= slide.picture < len(found),
        f'{slide.notebook} shows {len(found)} figure(s), none is number {slide.picture}; mend '
        'tools/slides.yaml, or execute the notebook and keep its outputs.',
    )
    return found[slide.picture]


def draw_slide(
    slide: Slide,
    png: bytes,
    number: int,  # of the page
):  # a matplotlib figure
    "Title above, figure in the middle, what to say below, source in the corner."
    fig = plt.figure(figsize=PAGE)
    fig.text(0.04, 0.93, slide.title, fontsize=24, va='center')
    ax = fig.add_axes((0.04, 0.2, 0.92, 0.67))
    ax.imshow(plt.imread(io.BytesIO(png)), interpolation='antialiased')
    ax.axis('off')
    said = '\n'.join(fill(sentence, 110) for sentence in slide.say)
    fig.text(0.04, 0.11, said, fontsize=15, va='center', linespacing=1.5)
    fig.text(0.96, 0.03, f'{slide.notebook} · {number}', fontsize=9, ha='right', color='0.4')
    return fig


def make_slides(
    root: Path,  # the checkout
    out: Path,  # the PDF
):
    "Write the lecture."
    slides = load_slides(root / 'tools' / 'slides.yaml')
    pictures = [picture_of(root / 'nbs', slide) for slide in slides]
    with atomic_path(out) as temporary, PdfPages(temporary, metadata={'CreationDate': None}) as pdf:
        for number, (slide, png) in enumerate(zip(slides, pictures), 1):
            fig = draw_slide(slide, png, number)
            pdf.savefig(fig, dpi=200)
            plt.close(fig)


@call_parse
def main(
    out: str = '_docs/slides.pdf',  # the PDF
):
    "Make the slides of the lecture."
    root = project_root()
    make_slides(root, root / out)
    print(root / out)
