"""Check the form of the code: `python tools/form.py [-v] [file or folder ...]`.

Without names, everything is checked; `-v` lists the exported cells without an example, too.
Ruff sees to layout and lint. This sees to what ruff has no rule for: the length of modules and
functions, comprehensions that nest or share a line, lambdas with a name and, in library notebooks,
an example right behind an exported cell.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, COLUMNS = 300, 25, 100
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
DEFINES = re.compile(r'^(def|class|async def|@)', re.M)
EXPORTED = re.compile(r'^#\| ?export[is]?\b')
DRAWS = re.compile(
    r'plt\.(subplots|figure|imshow|plot|hist|bar)|\.(imshow|plot|hist|scatter|bar|barh)\('
)


class Fault(NamedTuple):
    "Something that is wrong, and where."

    path: Path
    place: str  # 'line 3', 'cell 2 line 3'
    what: str

    def __str__(self) -> str:
        near = self.path.is_absolute() and self.path.is_relative_to(Path.cwd())
        path = self.path.relative_to(Path.cwd()) if near else self.path
        return f'{path}: {self.place}: {self.what}'


# What is wrong with Python: each check yields (line, what is wrong)
def body_lines(function: ast.FunctionDef) -> int:
    "Lines of a function from its first statement behind the docstring."
    has_text = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_text else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def long_functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    "Functions that are too long for one idea."
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and body_lines(node) > FUNCTION_LINES:
            lines = body_lines(node)
            yield node.lineno, f'{node.name} has {lines} lines, more than {FUNCTION_LINES}'


def inner_comprehensions(node: ast.AST) -> list[ast.AST]:
    "Comprehensions below a node, the node itself left out."
    return [
        child for child in ast.walk(node) if isinstance(child, COMPREHENSIONS) and child is not node
    ]


def crowded_comprehensions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    "Comprehensions inside others, or two on one line."
    inside, lines = set(), set()
    for node in inner_comprehensions(tree):  # outer ones come before those inside them
        if id(node) in inside:
            continue
        inner = inner_comprehensions(node)
        inside.update(map(id, inner))
        if inner:
            yield node.lineno, 'a comprehension inside another'
        elif node.lineno in lines:
            yield node.lineno, 'two comprehensions on one line'
        lines.add(node.lineno)


def named_lambdas(tree: ast.Module) -> Iterator[tuple[int, str]]:
    "Lambdas with a name, which want to be functions."
    for node in ast.walk(tree):
        if not isinstance(node, NAMED):
            continue
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        if any(isinstance(value, ast.Lambda) for value in values):
            yield node.lineno, 'a lambda with a name'


def long_lines(source: str) -> Iterator[tuple[int, str]]:
    "Lines that are too wide; the list of names that nbdev writes may be."
    for number, line in enumerate(source.splitlines(), 1):
        generated = line.startswith(('__all__ = ', "           '"))
        if len(line) > COLUMNS and not generated:
            yield number, f'{len(line)} columns, more than {COLUMNS}'


def check_source(source: str) -> Iterator[tuple[int, str]]:
    "Everything that is wrong with some Python."
    yield from long_lines(source)
    tree = ast.parse(source)
    for check in (long_functions, crowded_comprehensions, named_lambdas):
        yield from check(tree)


# Files
def check_module(path: Path) -> Iterator[Fault]:
    "Everything that is wrong with a module, a tool or a test."
    source = path.read_text()
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield Fault(path, 'line 1', f'{lines} lines, more than {MODULE_LINES}')
    for line, what in check_source(source):
        yield Fault(path, f'line {line}', what)


def read_cells(path: Path) -> list[dict]:
    "Cells of a notebook: `cell_type`, and `source` as one text."
    cells = json.loads(path.read_text())['cells']
    return [cell | dict(source=''.join(cell['source'])) for cell in cells]


def is_python(cell: dict) -> bool:
    "Whether a cell is code, and not a magic of IPython as a whole."
    return cell['cell_type'] == 'code' and not cell['source'].startswith('%%')


def check_notebook(path: Path) -> Iterator[Fault]:
    "Everything that is wrong with the code cells of a notebook."
    for number, cell in enumerate(read_cells(path)):
        if not is_python(cell):
            continue
        source = re.sub(r'(?m)^[%!].*$', 'pass', cell['source'])
        for line, what in check_source(source):
            yield Fault(path, f'cell {number} line {line}', what)


def check_file(path: Path) -> list[Fault]:
    "Everything that is wrong with a file."
    check = check_notebook if path.suffix == '.ipynb' else check_module
    try:
        return list(check(path))
    except (SyntaxError, ValueError) as error:
        return [Fault(path, 'all of it', f'cannot be read: {error}')]


# Library notebooks: examples and pictures
def is_library(path: Path) -> bool:
    "Whether a notebook exports a module."
    return path.suffix == '.ipynb' and '#| default_exp' in path.read_text()


def examples(path: Path) -> tuple[list[str], int]:
    "First definitions of exported cells without an example right behind; number of exported cells."
    cells = read_cells(path)
    missing, exported = [], 0
    for cell, after in zip(cells, [*cells[1:], None]):
        if not EXPORTED.match(cell['source']) or not DEFINES.search(cell['source']):
            continue
        exported += 1
        if not (after and is_python(after) and not after['source'].startswith('#|')):
            missing.append(re.search(r'(def|class) (\w+)', cell['source'])[2])
    return missing, exported


def has_picture(path: Path) -> bool:
    "Whether a notebook draws something outside the cells that it exports."
    shown = [
        cell['source']
        for cell in read_cells(path)
        if is_python(cell) and not EXPORTED.match(cell['source'])
    ]
    return any(map(DRAWS.search, shown))


def library_numbers(paths: list[Path]) -> dict[str, int]:
    "Of library notebooks: exported cells, those with an example right behind, and pictures."
    found = [examples(path) for path in paths]
    exported = sum(number for _, number in found)
    missing = sum(len(names) for names, _ in found)
    return dict(
        exported=exported,
        shown=exported - missing,
        pictures=sum(map(has_picture, paths)),
    )


# Which files
def find_files(names: list[str]) -> list[Path]:
    "Files by name or in folders, without what nbdev makes for itself."
    found = []
    for path in map(Path, names):
        below = [*path.rglob('*.py'), *path.rglob('*.ipynb')] if path.is_dir() else [path]
        found += [one for one in sorted(below) if '.ipynb_checkpoints' not in one.parts]
    return [path for path in found if not path.name.startswith('_')]


def all_files() -> list[Path]:
    "Everything of the repository that is checked."
    return find_files([str(ROOT / name) for name in ('lgap', 'nbs', 'tests', 'tools')])


def main(words: list[str]) -> int:
    "Print what is wrong; 1 if anything is."
    names = [word for word in words if word != '-v']
    paths = find_files(names) if names else all_files()
    library = [path for path in paths if is_library(path)]
    wrong = [fault for path in paths for fault in check_file(path)]
    for fault in wrong:
        print(fault)
    if '-v' in words:
        for path in library:
            for name in examples(path)[0]:
                print(Fault(path, name, 'no example right behind its cell'))
    numbers = library_numbers(library)
    print(
        f'{len(paths)} files, {len(wrong)} faults; {numbers["shown"]} of {numbers["exported"]} '
        f'exported cells with an example; {numbers["pictures"]} pictures'
    )
    return int(bool(wrong))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
