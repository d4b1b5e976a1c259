"""What a reader of the site sees of the notebooks: which pages, which cells, which links.

Hidden cells and directives go, names of notebooks in backticks become links, and the files that a
page refers to are copied along. The copies keep the places of the originals, so that relative links
stay as they are.
"""

import os
import re
import shutil
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import nbformat

from lgap.core import require

PARTS = {  # folder below nbs -> caption in the navigation, both in reading order
    'lessons': 'Lessons',
    'paper': 'Paper: figures and tables',
    'results': 'All results',
    '.': 'Library: the ground',
    'data': 'Library: data',
    'autoencoders': 'Library: autoencoders',
    'classifiers': 'Library: classifiers',
    'measure': 'Library: measures',
    'sweep': 'Library: sweeps',
    'study': 'Library: studies',
    'remedy': 'Library: closing the gap',
    'generate': 'Library: generation',
    'segment': 'Library: segmentation',
    'report': 'Library: reports',
    'cluster': 'On a cluster',
}
# Which pages ------------------------------------------------------------------------------------


def is_private(path: Path) -> bool:
    "Whether a name on the path begins with a dot or an underscore, as copies of editors do."
    return any(part[0] in '._' for part in path.parts)


def notebook_names(nbs: Path) -> list[Path]:  # relative to nbs
    "All notebooks below a folder, in the order of their paths; private ones aside."
    names = [path.relative_to(nbs) for path in sorted(nbs.rglob('*.ipynb'))]
    return [name for name in names if not is_private(name)]


def folder_pages(nbs: Path) -> dict[str, list[str]]:  # folder below nbs -> paths without suffix
    "All notebooks but the index, by folder."
    found = {}
    for name in notebook_names(nbs):
        page = name.with_suffix('').as_posix()
        if page != 'index':
            found.setdefault(name.parent.as_posix(), []).append(page)
    return found


def site_pages(
    root: Path,  # a checkout
) -> dict[str, list[str]]:  # caption -> pages as paths in `nbs`, without suffix
    "Notebooks in reading order: by name; for the paper as the index names them; new folders last."
    index = root / 'nbs' / 'index.ipynb'
    require(
        index.is_file(),
        f'No nbs/index.ipynb in {root}; build the site inside a clone of the repository.',
    )
    text = '\n'.join(cell.source for cell in nbformat.read(index, 4).cells)
    found = folder_pages(root / 'nbs')

    def place(page: str) -> int:  # last when the index does not name it
        return text.find(f'{page}.ipynb') % (len(text) + 1)

    if 'paper' in found:
        found['paper'].sort(key=place)
    captions = PARTS | {folder: folder for folder in found if folder not in PARTS}
    return {caption: found[folder] for folder, caption in captions.items() if folder in found}


# What a reader sees of a notebook ---------------------------------------------------------------


def last_heading(
    text: str,  # markdown
    before: str,  # heading that held until here
) -> str:
    "The heading under which the next cell stands, without markup."
    outside = re.sub(r'(?s)```.*?```', '', text)
    return re.sub(r'[`*$]', '', [before, *re.findall(r'(?m)^#+ +(.+)', outside)][-1])


def link_pages(cell):  # changed
    "Links to notebooks in what a cell shows lead to their pages; `../nbs/` is this very folder."
    for output in cell.outputs:
        data = output.get('data', {})
        for kind, begin, end in (('text/html', 'href="', '"'), ('text/markdown', r'\]\(', r'\)')):
            if kind in data:
                link = rf'({begin})(?:\.\./nbs/)?((?!\w+:)[^"()]+)\.ipynb({end})'
                data[kind] = re.sub(link, r'\1\2.html\3', data[kind])


def shown_code(
    cell,  # a code cell; changed
    heading: str,  # describes its plots to those who do not see them
) -> bool:  # False for a cell that no reader sees
    "Remove directives; `echo: false` leaves the output alone, parameters are folded."
    said = set(re.findall(r'(?m)^#\s*\|\s*(.+?)\s*$', cell.source))
    cell.source = re.sub(r'(?m)^#\s*\|.*\n?', '', cell.source).strip('\n')
    tags = cell.metadata.get('tags', [])
    link_pages(cell)
    if 'echo: false' in said:
        cell.metadata['tags'] = [*tags, 'remove-input']
    if 'parameters' in tags:
        cell.metadata['tags'] = ['hide-input']
    prompt = dict(code_prompt_show='Parameters', code_prompt_hide='Parameters')
    cell.metadata['mystnb'] = dict(image=dict(alt=heading), **prompt)
    return 'hide' not in said and bool(cell.source or cell.outputs)


def shown_cells(
    cells: list,  # of a notebook; changed
) -> list:
    "Cells without hidden ones and directives; plots are named after their heading."
    shown, heading = [], ''
    for cell in cells:
        if cell.cell_type != 'code':
            heading = last_heading(cell.source, heading)
            shown.append(cell)
        elif shown_code(cell, heading):
            shown.append(cell)
    return shown


# Links ------------------------------------------------------------------------------------------


def known_names(
    page: str,  # where the names stand
    pages: list[str],  # all pages
) -> dict[str, str]:  # name -> page
    "Names by which a page may call others: path below nbs, and last part where that is unique."
    others = [other for other in pages if other not in ('index', page)]
    stems = [Path(other).name for other in pages]
    short = {Path(other).name: other for other in others if stems.count(Path(other).name) == 1}
    return short | {other: other for other in others}


def link_names(text: str, page: str, pages: list[str]) -> str:
    "Names of notebooks in backticks become links."
    known = known_names(page, pages)

    def link(match) -> str:
        to = known.get(match[2])
        return f'[{match[1]}]({os.path.relpath(to, Path(page).parent)}.ipynb)' if to else match[0]

    return re.sub(r'(?<![\[`\w])(`(?:nbs/)?((?:\w+/)?\w+)(?:\.ipynb)?`)(?![`\]])', link, text)


def fit_links(
    text: str,  # markdown
    page: str,  # the page it is on, as in `site_pages`
    pages: list[str],  # all pages
    root: Path,  # the checkout
) -> tuple[str, list[Path]]:  # text for the site, and files of the checkout to copy along
    "Links to other files of the checkout become downloads; what leads nowhere stays for Sphinx."
    here = (root / 'nbs' / page).parent
    notebooks = {root / 'nbs' / f'{other}.ipynb' for other in pages}
    found = []

    def link(match) -> str:
        mark, label, target = match.groups()
        path = (here / unquote(target)).resolve()
        if path.is_file() and path.is_relative_to(root) and path not in notebooks:
            found.append(path)
        download = path in found and not mark
        return f'{mark}[{label}]({"path:" if download else ""}{target}'

    text = re.sub(r'(!?)\[([^\[\]]*)\]\((?!\w+:)([^()\s#]+)', link, text)
    return link_names(text, page, pages), found


# Copies -----------------------------------------------------------------------------------------


def contents(
    caption: str,
    pages: list[str],  # in reading order
):
    "A cell that puts pages into the navigation, under a caption."
    lines = ['```{toctree}', ':hidden:', f':caption: {caption}', '', *pages, '```']
    return nbformat.v4.new_markdown_cell('\n'.join(lines))


def readable(
    nb,  # a notebook; changed
    page: str,  # its name, as in `site_pages`
    pages: list[str],  # all pages
    root: Path,  # the checkout
) -> list[Path]:  # files it refers to
    "Turn a notebook into a page: shown cells, links that fit, nothing that asks for a run."
    nb.cells, along = shown_cells(nb.cells), []
    for cell in nb.cells:
        if cell.cell_type == 'markdown':
            cell.source, found = fit_links(cell.source, page, pages, root)
            along += found
    nb.metadata = dict(
        kernelspec=nb.metadata.get('kernelspec', {}),
        language_info=dict(name='python', pygments_lexer='python3'),
    )
    return along


def copy_sources(
    root: Path,  # the checkout
    folder: Path,  # gets `nbs` and what its pages refer to, at the same relative places
) -> list[str]:  # all pages
    "Copy the notebooks as a reader sees them, and their files; the index gets the contents."
    parts = site_pages(root)
    pages = ['index', *chain(*parts.values())]
    for page in pages:
        nb = nbformat.read(root / 'nbs' / f'{page}.ipynb', 4)
        for path in readable(nb, page, pages, root):
            to = folder / path.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
        if page == 'index':
            nb.cells.append(contents('Start', ['Overview <self>']))
            nb.cells += [contents(caption, names) for caption, names in parts.items()]
        copy = folder / 'nbs' / f'{page}.ipynb'
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, copy)
    return pages
