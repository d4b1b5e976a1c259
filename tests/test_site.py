"The site is built once; a browser opens every page, wide as a desk and narrow as a telephone."

import functools
import http.server
import os
import re
import shutil
import threading
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import lxml.html
import nbformat
import pytest
from conftest import load_tool

pytestmark = pytest.mark.long  # test_tools builds a small one
PAGES, SITE = load_tool('pages'), load_tool('site')

WIDE, PHONE = dict(width=1280, height=900), dict(width=390, height=844)
LOADED = """async () => {
    for (const i of document.images) i.loading = 'eager';
    await Promise.all([...document.images].map(i => i.decode().catch(() => 0)));
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }"""
FACTS = """() => ({
    broken: [...document.images].filter(i => !i.naturalWidth).map(i => i.src),
    width: document.documentElement.clientWidth,
    scroll: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    math: document.querySelectorAll('.math').length,
    set: document.querySelectorAll('.math mjx-container').length,
    bad: document.querySelectorAll('mjx-merror').length,
    out: [...document.querySelectorAll('article *')].filter(e => {
        const inside = p => p.getBoundingClientRect().right <= innerWidth + 1;
        if (inside(e)) return false; // else beyond the edge: read aloud, not shown?
        if (e.closest('mjx-assistive-mml')) return false; // or in a box that scrolls?
        for (let p = e; p && p.tagName != 'ARTICLE'; p = p.parentElement) {
            const box = /auto|scroll|hidden/.test(getComputedStyle(p).overflowX) && inside(p);
            if (box || p.namespaceURI.includes('svg')) return false; }
        return true; }).map(e => e.tagName + '.' + e.className).slice(0, 5) })"""


@pytest.fixture(scope='module')
def pages(root):
    return ['index', *chain(*PAGES.site_pages(root).values())]


@pytest.fixture(scope='module')
def site(root, tmp_path_factory):
    out = tmp_path_factory.mktemp('docs') / 'site'
    SITE.build_site(root, out)
    return out


@pytest.fixture(scope='module')
def trees(site):
    "Page -> its elements."
    return {
        path.relative_to(site).as_posix(): lxml.html.fromstring(path.read_bytes())
        for path in sorted(site.rglob('*.html'))
    }


@pytest.fixture(scope='module')
def address(site):
    "The site on this machine, served while the tests run."

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *a):
            pass

    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), functools.partial(Quiet, directory=str(site))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.fixture(scope='module')
def browser():
    path = next(
        filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
    )
    if not path:
        (pytest.fail if os.environ.get('LGAP_BROWSER') else pytest.skip)(
            'no Chromium here; on Debian: apt-get install chromium'
        )
    from playwright.sync_api import sync_playwright

    off = [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ]
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=off)
        yield b
        b.close()


@pytest.fixture(scope='module')
def visits(browser, address, trees):
    "Page -> what the browser found on it."
    found, tab = {}, browser.new_page(viewport=WIDE)
    said, asked = [], []
    tab.on('console', lambda m: said.append(m.text) if m.type in ('error', 'warning') else None)
    tab.on('pageerror', lambda e: said.append(str(e)))
    tab.on('request', lambda r: asked.append(r.url))
    tab.on(
        'response',
        lambda r: said.append(f'{r.status} {r.url}') if r.status not in (200, 304) else None,
    )
    for name in trees:
        said.clear()
        asked.clear()
        tab.set_viewport_size(WIDE)
        status = tab.goto(f'{address}/{name}', wait_until='load').status
        tab.evaluate(LOADED)
        wide = tab.evaluate(FACTS)
        tab.set_viewport_size(PHONE)
        found[name] = dict(
            status=status, said=list(said), asked=list(asked), wide=wide, phone=tab.evaluate(FACTS)
        )
    tab.close()
    return found


def test_every_notebook_is_a_page_in_the_navigation(trees, pages):
    assert {f'{p}.html' for p in pages} == trees.keys() - {'search.html'}
    for name, tree in trees.items():
        found = tree.xpath('//*[contains(@class, "sidebar-tree")]//a/@href')
        links = {urldefrag(urljoin(f'/{name}', link))[0] for link in found}
        assert links == {f'/{p}.html' for p in pages}, name
        assert tree.findtext('.//title').strip(), name
        assert len(tree.findall('.//h1')) == 1 or name == 'search.html', name


def test_links_resolve(site, trees):
    ids = {name: set(tree.xpath('//@id')) for name, tree in trees.items()}
    for name, tree in trees.items():
        for element in tree.xpath('//*[@href or @src]'):
            url = element.get('href', element.get('src'))
            parts = urlsplit(url)
            if parts.scheme == 'data' and element.tag == 'img':
                continue
            if parts.scheme or parts.netloc:
                assert element.tag == 'a' and parts.scheme == 'https', (name, url)
                continue
            path, anchor = urldefrag(urljoin(f'/{name}', url))
            path = unquote(urlsplit(path).path).lstrip('/')
            assert (site / path).is_file(), (name, url)
            if anchor and path in ids:
                assert unquote(anchor) in ids[path], (name, url)


def test_pages_load_whole_and_from_here_alone(visits, address):
    for name, v in visits.items():
        assert v['status'] == 200 and not v['said'], (name, v['said'])
        assert all(u.startswith((address + '/', 'data:', 'blob:')) for u in v['asked']), (
            name,
            v['asked'],
        )
        assert not v['wide']['broken'], (name, v['wide']['broken'])


def test_nothing_scrolls_sideways(visits):
    for name, v in visits.items():
        for size in ('wide', 'phone'):
            found = v[size]
            beyond = found['scroll'] - found['width']
            assert beyond <= 1 and not found['out'], (name, size, beyond, found['out'])


def test_formulas_are_set(visits, root, pages):
    for p in pages:
        text = '\n'.join(
            c.source
            for c in PAGES.shown_cells(nbformat.read(root / 'nbs' / f'{p}.ipynb', 4).cells)
            if c.cell_type == 'markdown'
        )
        f = visits[f'{p}.html']['wide']
        assert f['set'] == f['math'] and not f['bad'], (p, f)
        assert bool(f['set']) == bool(
            re.search(r'\$[^$]+\$', re.sub(r'(?s)```.*?```|`[^`\n]*`', '', text))
        ), (p, f)


def figures_of(cells: list, folder: Path) -> tuple[list[Path], int]:  # files, number of plots
    "What the cells of a page show: files of the repository, and kept plots."
    text = '\n'.join(cell.source for cell in cells if cell.cell_type == 'markdown')
    files = [folder / name for name in re.findall(r'!\[[^\]]*\]\(([^)\s]+)', text)]
    outputs = chain(*(cell.outputs for cell in cells if cell.cell_type == 'code'))
    return files, sum('image/png' in output.get('data', {}) for output in outputs)


def test_figures_are_those_of_the_repository(root, site, trees, pages):
    "Each figure that a notebook shows is on its page; committed files have the same bytes there."
    for name in pages:
        notebook, page = root / 'nbs' / f'{name}.ipynb', site / f'{name}.html'
        cells = PAGES.shown_cells(nbformat.read(notebook, 4).cells)
        files, plots = figures_of(cells, notebook.parent)
        images = trees[f'{name}.html'].xpath('//article//img')
        assert all(image.get('alt') for image in images), name
        shown = [image for image in images if not image.get('src').startswith('data:')]
        assert len(shown) == len(files) + plots, name
        paths = [(page.parent / unquote(image.get('src'))).resolve() for image in shown]
        on_page = {path.read_bytes() for path in paths}
        for path in files:
            assert path.read_bytes() in on_page, (name, path)


LESSON = 'lessons/3_not_learnable'  # has pictures to choose from
# a page of each kind
SAMPLE = ['index', 'search', 'paper/table1_gap', 'results/1_all_results', LESSON]
ROWS = "[...document.querySelectorAll('#results-table tbody tr')]"
RULES = dict(light=['wcag2a', 'wcag2aa'], dark=dict(type='rule', values=['color-contrast']))


@pytest.mark.parametrize('scheme', RULES)
def test_pages_can_be_used_by_everybody(browser, address, scheme):
    "Contrast, names, roles and the keyboard, as axe-core judges WCAG 2 at levels A and AA."
    from axe_playwright_python.sync_playwright import Axe

    tab, faults = browser.new_page(viewport=PHONE, color_scheme=scheme), []
    for name in SAMPLE:
        tab.goto(f'{address}/{name}.html', wait_until='load')
        tab.evaluate(f'{ROWS}.slice(20).forEach(row => row.remove())')  # the others are like them
        said = Axe().run(tab, options=dict(runOnly=RULES[scheme])).response
        assert said['passes']
        for fault in said['violations']:
            places = [node['html'][:120] for node in fault['nodes'][:3]]
            faults.append((name, fault['id'], len(fault['nodes']), places))
    tab.close()
    assert not faults


def test_results_can_be_filtered_and_sorted(browser, address):
    "By keyboard: words in the box, a heading pressed twice."
    tab = browser.new_page(viewport=WIDE)
    tab.goto(f'{address}/results/1_all_results.html', wait_until='load')
    rows = "[...document.querySelectorAll('#results-table tbody tr:not([hidden])')]"
    everything = tab.evaluate(f'{rows}.length')
    tab.get_by_label('Filter').fill('learnability taef2')
    texts = tab.evaluate(f'{rows}.map(row => row.textContent)')
    assert 0 < len(texts) < everything
    assert all('learnability' in text and 'taef2' in text for text in texts)
    for order in ('ascending', 'descending'):
        tab.get_by_role('button', name='value').press('Enter')
        values = tab.evaluate(f'{rows}.map(row => Number(row.cells[6].dataset.v))')
        assert values == sorted(values, reverse=order == 'descending') and len(set(values)) > 3
    tab.close()


def test_a_picture_can_be_chosen(browser, address):
    "By keyboard, without a kernel: one picture is shown, and with an arrow the next one."
    tab, seen = browser.new_page(viewport=PHONE), []
    tab.goto(f'{address}/{LESSON}.html', wait_until='load')
    pictures = tab.locator('fieldset img:visible')
    tab.get_by_role('radio').first.focus()
    for _ in range(3):
        assert pictures.count() == 1
        seen.append(pictures.get_attribute('alt'))
        tab.keyboard.press('ArrowRight')
    tab.close()
    assert len(set(seen)) == 3
