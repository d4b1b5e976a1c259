"""Check the form of the code: `python tools/form.py [file ...]`; everything when none is named.

Ruff sees to layout and lint. This sees to what ruff has no rule for: the length of modules and
functions, comprehensions that nest or share a line, lambdas with a name and, in library notebooks,
an example right behind an exported cell.
"""

import ast
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, COLUMNS = 300, 25, 100
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def body_lines(function: ast.FunctionDef) -> int:
    "Lines of a function from its first statement behind the docstring."
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def long_functions(tree: ast.Module):
    "Functions that are too long for one idea."
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and body_lines(node) > FUNCTION_LINES:
            yield (
                node.lineno,
                f'{node.name} has {body_lines(node)} lines, more than {FUNCTION_LINES}',
            )


def crowded_comprehensions(tree: ast.Module):
    "Comprehensions inside others, or two on one line."
    seen = set()
    for node in ast.walk(tree):
        if not isinstance(node, COMPREHENSIONS):
            continue
        if any(isinstance(child, COMPREHENSIONS) for child in ast.walk(node) if child is not node):
            yield node.lineno, 'a comprehension inside another'
        elif node.lineno in seen:
            yield node.lineno, 'two comprehensions on one line'
        seen.add(node.lineno)


def named_lambdas(tree: ast.Module):
    "Lambdas with a name, which want to be functions."
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        if any(isinstance(value, ast.Lambda) for value in values):
            yield node.lineno, 'a lambda with a name'


def long_lines(source: str):
    "Lines that are too wide."
    for number, line in enumerate(source.splitlines(), 1):
        if len(line) > COLUMNS:
            yield number, f'{len(line)} columns, more than {COLUMNS}'


def check_source(source: str):  # yields (line, what is wrong)
    "Everything that is wrong with some Python."
    tree = ast.parse(source)
    yield from long_lines(source)
    for check in (long_functions, crowded_comprehensions, named_lambdas):
        yield from check(tree)


def check_module(path: Path):
    "Everything that is wrong with a module of the package."
    source = path.read_text()
    if len(source.splitlines()) > MODULE_LINES:
        yield 1, f'{len(source.splitlines())} lines, more than {MODULE_LINES}'
    for line, what in check_source(source):
        if '__all__' not in source.splitlines()[line - 1] or 'columns' not in what:
            yield line, what


def code_cells(path: Path) -> list:
    "Code cells of a notebook that hold Python only."
    cells = nbformat.read(path, 4).cells
    return [cell for cell in cells if cell.cell_type == 'code' and not cell.source.startswith('%')]


def check_notebook(path: Path):
    "Everything that is wrong with the code cells of a notebook; the line is the cell's number."
    for number, cell in enumerate(code_cells(path)):
        for line, what in check_source(cell.source):
            yield f'cell {number} line {line}', what


def examples(path: Path) -> tuple[int, int]:  # exported cells with an example right behind, all
    "How often an exported cell that defines something is followed at once by code that shows it."
    cells = nbformat.read(path, 4).cells
    shown, exported = 0, 0
    for cell, after in zip(cells, [*cells[1:], None]):
        defines = re.search(r'^(def|class|@)', cell.source, re.M)
        if not cell.source.startswith('#| export') or not defines:
            continue
        exported += 1
        shown += bool(after and after.cell_type == 'code' and not after.source.startswith('#|'))
    return shown, exported


def has_picture(path: Path) -> bool:
    "Whether a notebook draws something."
    return any(re.search(r'plt\.|imshow|\.plot\(', cell.source) for cell in code_cells(path))


def library_notebooks() -> list[Path]:
    "The notebooks that export modules."
    found = sorted((ROOT / 'nbs').rglob('*.ipynb'))
    return [path for path in found if 'default_exp' in path.read_text()]


def modules() -> list[Path]:
    "The modules of the package, without what nbdev makes for itself."
    return sorted(path for path in (ROOT / 'lgap').rglob('*.py') if not path.name.startswith('_'))


def main(names: list[str]):
    "Print what is wrong; exit with 1 if anything is."
    paths = [Path(name) for name in names] or [*modules(), *sorted((ROOT / 'nbs').rglob('*.ipynb'))]
    wrong = 0
    for path in paths:
        check = check_notebook if path.suffix == '.ipynb' else check_module
        for line, what in check(path):
            print(f'{path}:{line}: {what}')
            wrong += 1
    counts = [examples(path) for path in paths if path in library_notebooks()]
    shown, exported = (sum(column) for column in zip(*counts)) if counts else (0, 0)
    pictures = sum(has_picture(path) for path in paths if path in library_notebooks())
    print(
        f'{wrong} faults; {shown} of {exported} exported cells with an example; {pictures} pictures'
    )
    sys.exit(wrong > 0)


if __name__ == '__main__':
    main(sys.argv[1:])
