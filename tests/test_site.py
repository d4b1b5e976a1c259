"The site is built once from the checkout; a browser opens every page, as wide as a desk and as narrow as a telephone."

import functools
import http.server
import os
import re
import shutil
import threading
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from lgap.site import build_site, shown_cells, site_pages

WIDE, PHONE = dict(width=1280, height=900), dict(width=390, height=844)
LOADED = """async () => {
    for (const i of document.images) i.loading = 'eager';
    await Promise.all([...document.images].map(i => i.decode().catch(() => 0)));
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }"""
FACTS = """() => ({
    broken: [...document.images].filter(i => !i.naturalWidth).map(i => i.src), images: document.images.length,
    width: document.documentElement.clientWidth, scroll: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    math: document.querySelectorAll('.math').length, set: document.querySelectorAll('.math mjx-container').length, bad: document.querySelectorAll('mjx-merror').length,
    out: [...document.querySelectorAll('article *')].filter(e => { // beyond the edge, and in no box that scrolls
        if (e.getBoundingClientRect().right <= innerWidth + 1) return false;
        for (let p = e; p && p.tagName != 'ARTICLE'; p = p.parentElement) {
            const box = /auto|scroll|hidden/.test(getComputedStyle(p).overflowX) && p.getBoundingClientRect().right <= innerWidth + 1;
            if (box || p.namespaceURI.includes('svg')) return false; }
        return true; }).map(e => e.tagName + '.' + e.className).slice(0, 5) })"""


@pytest.fixture(scope='module')
def pages(root):
    return ['index', *sum(site_pages(root).values(), [])]


@pytest.fixture(scope='module')
def site(root, tmp_path_factory):
    out = tmp_path_factory.mktemp('docs') / 'site'
    build_site(root, out)
    return out


@pytest.fixture(scope='module')
def soups(site):
    return {
        p.relative_to(site).as_posix(): BeautifulSoup(p.read_text(), 'html.parser')
        for p in sorted(site.rglob('*.html'))
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
def visits(browser, address, soups):
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
    for name in soups:
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


def test_every_notebook_is_a_page_in_the_navigation(soups, pages):
    assert {f'{p}.html' for p in pages} == soups.keys() - {'search.html'}
    for name, soup in soups.items():
        links = {
            urldefrag(urljoin(f'/{name}', a['href']))[0] for a in soup.select('.sidebar-tree a')
        }
        assert links == {f'/{p}.html' for p in pages}, name
        assert soup.title.text.strip() and (len(soup.select('h1')) == 1 or name == 'search.html'), (
            name
        )


def test_links_resolve(site, soups):
    ids = {name: {t['id'] for t in soup.select('[id]')} for name, soup in soups.items()}
    for name, soup in soups.items():
        for tag in soup.select('[href], [src]'):
            url = tag.get('href', tag.get('src'))
            parts = urlsplit(url)
            if parts.scheme == 'data' and tag.name == 'img':
                continue
            if parts.scheme or parts.netloc:
                assert tag.name == 'a' and parts.scheme == 'https', (name, url)
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
        for size, want in (('wide', WIDE), ('phone', PHONE)):
            f = v[size]
            assert f['width'] <= want['width'] and f['scroll'] <= f['width'] + 1 and not f['out'], (
                name,
                size,
                f['scroll'],
                f['out'],
            )


def test_formulas_are_set(visits, root, pages):
    for p in pages:
        text = '\n'.join(
            c.source
            for c in shown_cells(nbformat.read(root / 'nbs' / f'{p}.ipynb', 4).cells)
            if c.cell_type == 'markdown'
        )
        f = visits[f'{p}.html']['wide']
        assert f['set'] == f['math'] and not f['bad'], (p, f)
        assert bool(f['set']) == bool(
            re.search(r'\$[^$]+\$', re.sub(r'(?s)```.*?```|`[^`\n]*`', '', text))
        ), (p, f)


def test_figures_are_those_of_the_repository(root, site, soups, pages):
    "Each figure that a notebook shows is on its page; committed files have the same bytes there."
    for p in pages:
        cells = shown_cells(nbformat.read(root / 'nbs' / f'{p}.ipynb', 4).cells)
        shown = soups[f'{p}.html'].select('article img')
        files = [
            (root / 'nbs' / p).parent / f
            for c in cells
            if c.cell_type == 'markdown'
            for f in re.findall(r'!\[[^\]]*\]\(([^)\s]+)', c.source)
        ]
        plots = [
            o
            for c in cells
            if c.cell_type == 'code'
            for o in c.outputs
            if 'image/png' in o.get('data', {})
        ]
        assert len(shown) == len(files) + len(plots), p
        assert all(i.get('alt') for i in shown), p
        on_page = {
            ((site / f'{p}.html').parent / unquote(i['src'])).resolve().read_bytes() for i in shown
        }
        for f in files:
            assert f.read_bytes() in on_page, (p, f)


def test_no_kernel_is_started(root, tmp_path):
    "A kernel that does not exist, and a cell that would fail: the kept outputs are shown."
    for d in ('figures/demo', 'data'):
        (tmp_path / d).mkdir(parents=True)
    for name in (
        'settings.ini',
        'README.md',
        'data/README.md',
        *(f'figures/demo/{f.name}' for f in (root / 'figures/demo').glob('*.png')),
    ):
        shutil.copy(root / name, tmp_path / name)
    for name in ('index', '06c_separability', 'paper/table1_gap'):
        nb = nbformat.read(root / 'nbs' / f'{name}.ipynb', 4)
        nb.metadata['kernelspec'] = dict(
            name='none-such', display_name='none such', language='python'
        )
        nb.cells.append(
            nbformat.v4.new_code_cell(
                'raise SystemExit("was run")',
                outputs=[nbformat.v4.new_output('stream', text='kept from before')],
            )
        )
        (tmp_path / 'nbs' / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, tmp_path / 'nbs' / f'{name}.ipynb')
    assert build_site(tmp_path, tmp_path / 'out') == [
        'index',
        'paper/table1_gap',
        '06c_separability',
    ]
    for p in (tmp_path / 'out/index.html', tmp_path / 'out/paper/table1_gap.html'):
        assert 'kept from before' in p.read_text()
