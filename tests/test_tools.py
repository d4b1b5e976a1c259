"The scripts in tools/, on a checkout of five small notebooks."

import base64
import shutil

import nbformat
import pytest
from conftest import load_tool

from lgap.core import InputError

PAGES, SITE, BOOKS = load_tool('pages'), load_tool('site'), load_tool('notebooks')
SLIDES = load_tool('slides')
NEW = nbformat.v4
PNG = (
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg'
    'gg=='
)
NO_KERNEL = dict(  # who asks for a run fails
    kernelspec=dict(name='no-such-kernel', display_name='none', language='python'),
    mystnb=dict(execution_mode='force'),
)


def small_books() -> dict[str, list]:
    "Cells of an index, two lessons, a notebook of the paper and one of the library."
    text, code = NEW.new_markdown_cell, NEW.new_code_cell
    plot = NEW.new_output('display_data', {'image/png': PNG, 'text/plain': '<Figure>'})
    one = NEW.new_output('display_data', {'text/markdown': 'One.'})
    return {
        'index': [
            text('# Tiny\n\nSee `data/00_a` and `nbs/paper/fig1.ipynb`.'),
            text('![A dot](../figures/demo/dot.png)'),
            code('#| echo: false\n1', outputs=[one]),
        ],
        'data/00_a': [
            text('# Part A\n\n$x^2$, [settings](../../settings.ini), [readme](../../README.md)'),
            code('#| default_exp a\n#| export\nx = 1'),
            code('#| hide\nsecret = 1'),
            text('## Plot'),
            code('plot()', outputs=[plot]),
        ],
        'paper/fig1': [text('# Figure 1')],
        'lessons/01_first': [text('# First\n\nThe [word](glossary.ipynb#word).')],
        'lessons/glossary': [text('# Glossary\n\n## Word\n\nMeaning.')],
    }


@pytest.fixture()
def checkout(tmp_path):
    "The small notebooks, with what they refer to."
    root = tmp_path / 'checkout'
    for name, cells in small_books().items():
        path = root / 'nbs' / f'{name}.ipynb'
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(NEW.new_notebook(cells=cells, metadata=NO_KERNEL), path)
    (root / 'figures/demo').mkdir(parents=True)
    (root / 'figures/demo/dot.png').write_bytes(base64.b64decode(PNG))
    (root / 'README.md').write_text('# Tiny\n')
    (root / 'settings.ini').write_text(
        '[DEFAULT]\ntitle = tiny\nauthor = Somebody\ncopyright = 2026, %(author)s\nversion = 1.0\n'
    )
    return root


def test_missing_packages_are_named():
    SITE.need_packages()
    with pytest.raises(InputError, match='pip install no-such-package'):
        SITE.need_packages(('sphinx', 'no-such-package'))
    assert (SITE.mathjax_folder() / 'output/chtml/fonts/woff-v2').is_dir()


def test_pages_in_reading_order(checkout):
    assert PAGES.site_pages(checkout) == {
        'Lessons': ['lessons/01_first', 'lessons/glossary'],
        'Paper: figures and tables': ['paper/fig1'],
        'Library: data': ['data/00_a'],
    }
    for name in ('zoo/01_new', 'study/01_study', 'measure/01_gap', '00_core', 'cluster/1_cluster'):
        path = checkout / 'nbs' / f'{name}.ipynb'
        path.parent.mkdir(exist_ok=True)
        shutil.copy(checkout / 'nbs/paper/fig1.ipynb', path)
    shutil.rmtree(checkout / 'nbs/lessons')
    names = [name for pages in PAGES.site_pages(checkout).values() for name in pages]
    assert names == [
        'paper/fig1',
        '00_core',
        'data/00_a',
        'measure/01_gap',
        'study/01_study',
        'cluster/1_cluster',
        'zoo/01_new',  # a folder that is not in the list comes last
    ]
    with pytest.raises(InputError, match='inside a clone'):
        PAGES.site_pages(checkout / 'nbs')


def test_every_folder_has_a_caption(root):
    found = PAGES.folder_pages(root / 'nbs')
    assert len(found) >= 10 and set(found) <= set(PAGES.PARTS)


def test_shown_cells():
    output = NEW.new_output('stream', text='1')
    title, export, echo = PAGES.shown_cells(
        [
            NEW.new_markdown_cell('# A\n\n## The `x` plot'),
            NEW.new_code_cell('#| hide\n#| default_exp a'),
            NEW.new_code_cell('#|export\nx = 1'),
            NEW.new_code_cell('#| echo: false\nx', outputs=[output]),
        ]
    )
    assert title.cell_type == 'markdown' and export.source == 'x = 1'
    assert export.metadata.mystnb.image.alt == 'The x plot'
    assert echo.metadata.tags == ['remove-input']
    parameters = NEW.new_code_cell('n: int = 1', metadata=dict(tags=['parameters']))
    assert PAGES.shown_cells([parameters])[0].metadata.tags == ['hide-input']


@pytest.mark.parametrize(
    'page, text, want',
    [
        ('index', '`00_a`, `other`', '[`00_a`](data/00_a.ipynb), `other`'),
        ('index', '`data/00_a`, `paper/00_a`', '[`data/00_a`](data/00_a.ipynb), `paper/00_a`'),
        ('index', '`nbs/paper/fig1.ipynb`', '[`nbs/paper/fig1.ipynb`](paper/fig1.ipynb)'),
        ('paper/fig1', '`00_a`, `fig1`', '[`00_a`](../data/00_a.ipynb), `fig1`'),
        ('index', '[s](../settings.ini)', '[s](path:../settings.ini)'),
        ('index', '![d](../figures/demo/dot.png)', '![d](../figures/demo/dot.png)'),
    ],
)
def test_links(checkout, page, text, want):
    pages = ['index', 'data/00_a', 'paper/fig1']
    said, found = PAGES.fit_links(text, page, pages, checkout)
    assert said == want and len(found) == ('(../' in text)


@pytest.mark.parametrize(
    'text',
    [
        '[a](data/00_a.ipynb#part-a)',
        '[n](nowhere.ipynb)',
        '[o](../../../etc/passwd)',
        '[w](https://example.org)',
        '[`00_a`](data/00_a.ipynb)',
    ],
)
def test_links_that_stay(checkout, text):
    pages = ['index', 'data/00_a', 'paper/fig1']
    assert PAGES.fit_links(text, 'index', pages, checkout) == (text, [])


def test_copies_keep_their_places(checkout, tmp_path):
    pages = PAGES.copy_sources(checkout, tmp_path / 'copy')
    want = ['index', 'lessons/01_first', 'lessons/glossary', 'paper/fig1', 'data/00_a']
    assert pages == want

    def text(page):
        cells = nbformat.read(tmp_path / 'copy/nbs' / f'{page}.ipynb', 4).cells
        return '\n'.join(cell.source for cell in cells)

    assert (tmp_path / 'copy/figures/demo/dot.png').is_file()
    assert 'Lessons\n\nlessons/01_first\nlessons/glossary\n```' in text('index')
    assert 'secret' not in text('data/00_a')
    assert '[settings](path:../../settings.ini)' in text('data/00_a')


def test_options(checkout, tmp_path):
    SITE.write_options(checkout, tmp_path)
    conf = {}
    exec((tmp_path / 'conf.py').read_text(), conf)
    assert (conf['project'], conf['project_copyright']) == ('tiny', '2026, Somebody')
    assert conf['nb_execution_mode'] == 'off'
    assert (tmp_path / 'static/site.css').is_file()
    assert sum(path.stat().st_size for path in (tmp_path / 'static').rglob('*')) < 3e6


def test_a_small_site(checkout, tmp_path):
    "Nothing is run; a build that fails leaves the site that was there."
    site = tmp_path / 'site'
    assert len(SITE.build_site(checkout, site)) == 5

    def html(page):
        return (site / f'{page}.html').read_text()

    library = html('data/00_a')
    assert 'secret' not in library and 'alt="Plot"' in library
    assert 'mathjax/tex-chtml.js' in library and 'cdn' not in library
    assert 'href="glossary.html#word"' in html('lessons/01_first')
    assert 'One.' in html('index') and 'echo' not in html('index')
    dot = (checkout / 'figures/demo/dot.png').read_bytes()
    assert (site / '_images/dot.png').read_bytes() == dot
    before, index = html('index'), checkout / 'nbs/index.ipynb'
    book = nbformat.read(index, 4)
    book.cells[0].source += '\n\n[gone](nowhere.ipynb)'
    nbformat.write(book, index)
    with pytest.raises(InputError, match=r"nbs/index.ipynb: .* not found: 'nowhere.ipynb'"):
        SITE.build_site(checkout, site)
    assert html('index') == before
    with pytest.raises(InputError, match='no site'):
        SITE.build_site(checkout, checkout)


def test_what_is_no_site_is_left_alone(tmp_path, capsys):
    notes = tmp_path / 'notes.txt'
    notes.write_text('mine')
    for out in (tmp_path, notes / 'site'):
        with pytest.raises(SystemExit) as stopped:
            SITE.main(out=str(out))
        assert stopped.value.code == 2 and notes.read_text() == 'mine'
    assert 'no site' in capsys.readouterr().err


def test_keep_outputs(tmp_path):
    source, executed = tmp_path / 'a.ipynb', tmp_path / 'b.ipynb'
    cell = NEW.new_code_cell('1 + 1')
    nbformat.write(NEW.new_notebook(cells=[cell]), source)
    cell.execution_count = 7
    cell.outputs = [
        NEW.new_output('stream', name='stderr', text='50 %'),
        NEW.new_output('stream', name='stdout', text='2'),
        NEW.new_output('display_data', {BOOKS.WIDGET: {}, 'text/plain': 'bar'}),
        NEW.new_output('execute_result', {'text/plain': '2'}, execution_count=7),
    ]
    injected = NEW.new_code_cell('x = 2', metadata=dict(tags=['injected-parameters']))
    nbformat.write(NEW.new_notebook(cells=[injected, cell]), executed)
    BOOKS.keep_outputs(source, executed)
    kept = nbformat.read(source, 4).cells[0]
    assert [output.output_type for output in kept.outputs] == ['stream', 'execute_result']
    assert kept.execution_count is None and kept.outputs[1].execution_count is None
    nbformat.write(NEW.new_notebook(), executed)
    with pytest.raises(InputError, match='was not made from'):
        BOOKS.keep_outputs(source, executed)


def test_refresh_outputs(tmp_path):
    "Equal names in two folders do not collide, and each runs in its own folder."
    for folder in ('one', 'two', '_private'):
        path = tmp_path / 'nbs' / folder / '01_a.ipynb'
        path.parent.mkdir(parents=True)
        cell = NEW.new_code_cell('import os\nprint(os.path.basename(os.getcwd()))')
        nbformat.write(NEW.new_notebook(cells=[cell]), path)
    BOOKS.refresh_outputs(tmp_path)
    for folder, want in (('one', ['one\n']), ('two', ['two\n']), ('_private', [])):
        cell = nbformat.read(tmp_path / 'nbs' / folder / '01_a.ipynb', 4).cells[0]
        assert [output.text for output in cell.outputs] == want
    copies = sorted((tmp_path / 'runs').rglob('*.ipynb'))
    assert [path.parent.name for path in copies] == ['one', 'two']


def test_readme(checkout):
    index = checkout / 'nbs/index.ipynb'
    book = nbformat.read(index, 4)
    book.cells += [NEW.new_code_cell('#| hide\nimport x'), NEW.new_code_cell('y = 2')]
    nbformat.write(book, index)
    text = BOOKS.readme_text(index)
    assert text.startswith('<!-- made from nbs/index.ipynb')
    assert '![A dot](figures/demo/dot.png)\n\nOne.\n\n```python\ny = 2\n```\n' in text
    assert 'import x' not in text and 'echo' not in text


# Slides
def test_slides_of_the_lecture(root, tmp_path):
    "Every slide has its figure; a PDF of as many pages, the same twice."
    slides = SLIDES.load_slides(root / 'tools' / 'slides.yaml')
    assert len(slides) >= 12 and all(one.say for one in slides)
    one, two = tmp_path / 'one.pdf', tmp_path / 'two.pdf'
    SLIDES.make_slides(root, one)
    SLIDES.make_slides(root, two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().count(b'/Type /Page ') == len(slides)


def test_a_slide_without_its_figure_is_refused(checkout):
    nbs = checkout / 'nbs'
    assert SLIDES.picture_of(nbs, SLIDES.Slide('data/00_a', 0, 'A', ['b'])).startswith(b'\x89PNG')
    with pytest.raises(InputError, match='shows 1 figure'):
        SLIDES.picture_of(nbs, SLIDES.Slide('data/00_a', 1, 'A', ['b']))
