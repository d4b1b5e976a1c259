"""What the repository keeps of its notebooks: their outputs, and the index as README.md.

`python tools/notebooks.py outputs` executes all notebooks with their defaults, each from its own
folder, and copies what they show back into them. `python tools/notebooks.py readme` writes
README.md. `make notebooks` does both, `make readme` the second.
"""

import re
from pathlib import Path

import nbformat
from fastcore.script import Param, call_parse
from nbconvert import MarkdownExporter
from pages import notebook_names

from lgap.core import project_root, require
from lgap.report.reproduce import execute

WIDGET = 'application/vnd.jupyter.widget-view+json'

# Outputs ----------------------------------------------------------------------------------------


def is_kept(output) -> bool:
    "Whether an output belongs into the repository: no progress, no warnings, no widgets."
    return output.get('name') != 'stderr' and WIDGET not in output.get('data', {})


def plain_output(output):  # changed, and returned
    "An output without timing and execution counts."
    output.pop('execution_count', None)
    if 'metadata' in output:
        output['metadata'] = {}
    if output.output_type == 'execute_result':
        output['execution_count'] = None
    return output


def is_injected(cell) -> bool:
    "Whether papermill put the cell in, to give parameters."
    return 'injected-parameters' in cell.metadata.get('tags', [])


def sources(cells: list) -> list[str]:
    "What the cells say."
    return [cell.source for cell in cells]


def keep_outputs(
    source: Path,  # notebook in the repository; changed in place
    executed: Path,  # its executed copy
):
    "Copy outputs from an executed notebook into its source, cell by cell."
    book, ran = nbformat.read(source, 4), nbformat.read(executed, 4)
    cells = [
        cell for cell in ran.cells if 'injected-parameters' not in cell.metadata.get('tags', [])
    ]
    require(
        sources(cells) == sources(book.cells),
        f'{executed} was not made from {source}; execute it again.',
    )
    for cell, done in zip(book.cells, cells):
        if cell.cell_type == 'code':
            cell.execution_count = None
            cell.outputs = [plain_output(output) for output in done.outputs if is_kept(output)]
    nbformat.write(book, source)


def refresh_outputs(
    root: Path,  # the checkout
    only: str = '',  # part of a path below nbs, to execute few
):
    "Execute the notebooks with their defaults and keep the outputs; copies stay in runs/outputs."
    for name in notebook_names(root / 'nbs'):
        if only in name.as_posix():
            source, executed = root / 'nbs' / name, root / 'runs' / 'outputs' / name
            execute(source, executed)
            keep_outputs(source, executed)
            print(name, flush=True)


# README -----------------------------------------------------------------------------------------


def readme_cells(cells: list) -> list:
    "The index as README.md shows it: no hidden cells, only the output where code is not echoed."
    shown = [cell for cell in cells if not cell.source.startswith('#| hide')]
    for cell in shown:
        if cell.source.startswith('#| echo: false'):
            cell.source = ''
    return shown


def readme_text(
    path: Path,  # nbs/index.ipynb
) -> str:
    "README.md from the index notebook, with links relative to the checkout."
    book = nbformat.read(path, 4)
    book.metadata['language_info'] = dict(name='python')
    book.cells = readme_cells(book.cells)
    text = MarkdownExporter().from_notebook_node(book)[0].replace('```python\n\n```', '')
    text = re.sub(r'(?m)[ \t]+$', '', text)
    text = re.sub(r'\]\(\.\./', '](', text)
    text = re.sub(r'\n{3,}', '\n\n', text).strip()
    return f'<!-- made from nbs/index.ipynb by `make readme` -->\n\n{text}\n'


@call_parse
def main(
    what: Param('outputs or readme', str, opt=False, choices=['outputs', 'readme']) = 'readme',
    only: str = '',  # with outputs: execute only notebooks whose path below nbs contains this
):
    "Keep the outputs of the notebooks, or write README.md."
    root = project_root()
    if what == 'outputs':
        refresh_outputs(root, only)
    else:
        (root / 'README.md').write_text(readme_text(root / 'nbs' / 'index.ipynb'))
