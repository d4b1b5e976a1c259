"""The notebooks as a browsable site, nothing is run: `python tools/site.py` or `make docs`.

The committed notebooks hold their outputs, so a site of them needs no kernel. They are copied into
a temporary folder, made readable there (`pages.py`), and built by Sphinx with MyST-NB and the theme
Furo. Everything a page needs is in the site, the typesetting of formulas as well: it can be read
without a network. A dead link or a missing figure is an error.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

from fastcore.script import call_parse
from pages import copy_sources

from lgap.core import InputError, project_root, require

ICON = (  # two bars of unequal height: the gap
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path fill="#3274a1" d="M2 2h5v12H2z"/><path fill="#e1812c" d="M9 7h5v7H9z"/></svg>'
)

# What is needed ---------------------------------------------------------------------------------


def need_packages(
    names: tuple = ('sphinx', 'myst-nb', 'furo', 'sphinx-mathjax-offline'),  # as on PyPI
):
    "Raise, with the command that installs them, when packages that build the site are missing."
    missing = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    require(
        not missing,
        f'The site is built with {", ".join(names)}; '
        f'install what is missing: pip install {" ".join(missing)}',
    )


def mathjax_folder() -> Path:
    "Folder of MathJax, which the package sphinx-mathjax-offline brings along."
    found = (file for file in files('sphinx-mathjax-offline') if file.name == 'tex-chtml.js')
    return Path(next(found).locate()).parent


# How it looks -----------------------------------------------------------------------------------


def site_options(
    root: Path,  # the checkout
) -> dict:  # name -> value
    "Options of Sphinx: facts from settings.ini, nothing is run, MathJax from the site itself."
    settings = ConfigParser(delimiters=['='])
    settings.read(root / 'settings.ini', encoding='utf-8')
    facts = settings['DEFAULT']
    about = dict(
        project=facts['title'],
        author=facts['author'],
        project_copyright=facts['copyright'],
        version=facts['version'],
        release=facts['version'],
        html_title=facts['title'],
    )
    notebooks = dict(
        extensions=['myst_nb'],
        nb_execution_mode='off',
        nb_merge_streams=True,
        nb_render_markdown_format='gfm',
        myst_enable_extensions=['dollarmath', 'amsmath'],
        myst_dmath_double_inline=True,
        myst_heading_anchors=4,
    )
    return about | notebooks | page_options()


def page_options() -> dict:  # name -> value
    "Options of the pages: theme, style sheet, and formulas without a network."
    return dict(
        html_theme='furo',
        html_static_path=['static'],
        html_css_files=['site.css'],
        html_js_files=['site.js'],
        html_favicon='static/icon.svg',
        html_copy_source=False,
        html_show_sourcelink=False,
        html_use_index=False,
        mathjax_path='mathjax/tex-chtml.js',
        mathjax3_config=dict(options=dict(enableMenu=False)),
    )


def write_options(
    root: Path,  # the checkout
    folder: Path,  # gets `conf.py` and `static`
):
    "Write Sphinx's options, the style sheet, and the tenth of MathJax that makes TeX into HTML."
    static, math = folder / 'static', mathjax_folder()
    static.mkdir()
    for name in ('site.css', 'site.js'):
        shutil.copy(Path(__file__).with_name(name), static)
    (static / 'icon.svg').write_text(ICON)
    lines = [f'{name} = {value!r}\n' for name, value in site_options(root).items()]
    (folder / 'conf.py').write_text(''.join(lines), encoding='utf-8')
    for part in ('output/chtml/fonts', 'input/tex/extensions'):
        shutil.copytree(math / part, static / 'mathjax' / part)
    shutil.copy(math / 'tex-chtml.js', static / 'mathjax')


# Building ---------------------------------------------------------------------------------------


def complaint(
    said: str,  # by Sphinx
    folder: Path,  # of the copies
) -> str:
    "The first warning of a build in one line, with the notebook it is about."
    lines = said.replace(f'{folder}/', '').strip().splitlines()
    bad = [line for line in lines if re.search('WARNING|ERROR|[Ee]rror:', line)]
    bad = bad or lines[-1:] or ['Sphinx stopped without a word']
    more = f' (and {len(bad) - 1} more)' if len(bad) > 1 else ''
    return re.sub(r':(\d+|<\w+>)?: (WARNING|ERROR|CRITICAL): ', ': ', bad[0]) + more


def run_sphinx(folder: Path):  # holds `nbs` and `conf.py`, gets `html`
    "Build the pages; raises `InputError` with the first complaint, since warnings are errors here."
    options = ['-qNW', '--keep-going', '-b', 'html', '-c', folder, '-d', folder / 'trees']
    command = [sys.executable, '-m', 'sphinx', *options, folder / 'nbs', folder / 'html']
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    require(ran.returncode == 0, complaint(ran.stderr, folder))


def is_site(folder: Path) -> bool:
    "Whether a folder may be replaced: a site, or empty."
    return folder.is_dir() and ((folder / 'searchindex.js').is_file() or not any(folder.iterdir()))


def build_site(
    root: Path,  # the checkout
    out: Path,  # the site's folder; a site that is there is replaced
) -> list[str]:  # its pages
    "Build beside `out`, move it there when it is whole; raises `InputError` for a dead link."
    need_packages()
    root, out = Path(root).resolve(), Path(out).resolve()
    require(
        is_site(out) or not out.exists(),
        f'{out} is there and no site; choose another folder, or delete it.',
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='.site', dir=out.parent) as name:
            folder = Path(name)
            pages = copy_sources(root, folder)
            write_options(root, folder)
            run_sphinx(folder)
            if out.exists():
                out.rename(folder / 'old')
            (folder / 'html').rename(out)
    except OSError as error:
        raise InputError(f'Cannot write {out}: {error}.') from error
    return pages


@call_parse
def main(
    out: str = '',  # folder of the site; _docs in the checkout unless given
):
    "Build the site of the notebooks; nothing is run."
    folder = Path(out or project_root() / '_docs')
    try:
        pages = build_site(project_root(), folder)
    except InputError as error:
        print(f'site.py: {error}', file=sys.stderr)
        sys.exit(2)
    print(f'{len(pages)} pages; open {folder / "index.html"}')
