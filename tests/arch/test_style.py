"""The rules of docs/contributing that a parser can see: size, names, docstrings, broad excepts, package files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.arch.sources import ROOT, Source, source_roots, sources

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
EMPTY_WORDS = {"data", "info", "manager", "util", "utils", "helper", "helpers", "common", "misc"}
DRIVER_FILES = {"driver.py", "config.py", "scorecard.yaml"}
FEATURE_FILES = {"endpoints.py", "service.py", "store.py", "model.py", "schemas.py", "tasks.py", "errors.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_modules_are_short() -> None:
    long = [f"{s.name}: {n}" for s in sources() if (n := s.text.count("\n")) > MODULE_LINES_MAX]
    assert not long, f"more than {MODULE_LINES_MAX} lines; split by reason to change: {long}"


def test_functions_are_short() -> None:
    long = [
        f"{source.name}:{node.lineno} {node.name}: {_lines(node)}"
        for source in sources()
        if not source.is_migration
        for node in ast.walk(source.tree)
        if isinstance(node, Function) and _lines(node) > FUNCTION_LINES_MAX
    ]
    assert not long, f"more than {FUNCTION_LINES_MAX} lines: {long}"


def test_names_say_something() -> None:
    empty = [source.name for source in sources() if set(source.path.with_suffix("").parts) & EMPTY_WORDS]
    assert not empty, f"name the thing, not the drawer: {empty}"


def test_a_driver_has_its_files() -> None:
    folders = {path.parent for path in (ROOT / "edge/src/penstock/edge").glob("*/driver.py")}
    assert folders, "edge has drivers"
    missing = {folder.name: sorted(DRIVER_FILES - {p.name for p in folder.iterdir()}) for folder in folders}
    assert not any(missing.values()), f"a driver is always {sorted(DRIVER_FILES)}; missing: {missing}"


def _undocumented(body: list[ast.stmt], within: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield within + node.name
            if isinstance(node, ast.ClassDef) and not _is_protocol(node):
                yield from _undocumented(node.body, f"{within}{node.name}.")


def _is_protocol(node: ast.ClassDef) -> bool:
    """Say whether the class only names what others have: its own docstring speaks for its members."""
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def test_what_is_public_has_a_docstring() -> None:
    bare = [f"{source.name} {name}" for source in sources() for name in _undocumented(source.tree.body, "")]
    bare += [f"{s.name} (module)" for s in sources() if s.text.strip() and not ast.get_docstring(s.tree)]
    assert not bare, f"one line of contract, in the imperative: {bare}"


def _broad(source: Source) -> Iterator[str]:
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
            continue
        passes_on = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
        said = any("boundary:" in line for line in lines[node.lineno - 2 : node.body[0].lineno])
        if not passes_on and not said:
            yield f"{source.name}:{node.lineno}"


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in ("Exception", "BaseException")) for name in names
    )


def test_broad_excepts_say_which_boundary_they_guard() -> None:
    broad = [place for source in sources() for place in _broad(source)]
    assert not broad, f"catch the narrow type, raise again, or say `# boundary: why`: {broad}"


def test_broad_except_without_reason_is_seen() -> None:
    text = "try:\n    f()\nexcept (OSError, Exception):\n    pass\n"
    assert list(_broad(Source(ROOT / "x.py", text, ast.parse(text)))) == ["x.py:3"]
    said = text.replace("pass", "pass  # boundary: a plug-in may do anything")
    assert list(_broad(Source(ROOT / "x.py", said, ast.parse(said)))) == []


def test_the_namespace_has_no_init() -> None:
    inits = [root / "penstock" / "__init__.py" for root in source_roots()]
    found = [str(path.relative_to(ROOT)) for path in inits if path.exists()]
    assert not found, f"penstock is a PEP 420 namespace; remove {found}"


def test_platform_folder_shadows_nothing() -> None:
    folder = ROOT / "platform"
    wrong = [
        *folder.glob("*.py"),
        *folder.glob("*/__init__.py"),
        *folder.rglob("conftest.py"),
        *folder.rglob("test_*.py"),
    ]
    assert not wrong, f"the folder platform/ must not look like the standard module, nor hold tests: {wrong}"


def test_tests_are_no_packages() -> None:
    own = [p for p in (ROOT / "tests").rglob("__init__.py") if not {"node_modules", ".venv"} & set(p.parts)]
    assert not own, f"importmode=importlib: no __init__.py in tests: {own}"


def test_all_tests_live_in_tests() -> None:
    strayed = [source.name for source in sources() if source.path.name.startswith("test_")]
    assert not strayed
