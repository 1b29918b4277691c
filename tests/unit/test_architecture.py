"""Which package may import which: the house as it is meant to be, read from the sources."""

import ast
from collections import defaultdict
from pathlib import Path

import firered

LIBRARY = {
    "vad",
    "lid",
    "asr",
    "align",
    "punc",
    "system",
    "search",
    "models",
    "audio",
    "text",
    "peers",
    "live",
    "serve",
}
COMMANDS = ("firered.runs", "firered.launch", "firered.cli", "firered.data.datadir")
LEAVES = {"results", "text"}


def imports(path: Path, module: str) -> set[str]:
    """Full names of the firered modules that a file imports, wherever in it; type checkers' imports count, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name.startswith("firered.")} - {module}


def sources() -> dict[str, set[str]]:
    """What each module of the package imports, by its full name."""
    root = Path(firered.__file__).parent
    paths = {
        ".".join(("firered", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    return {module: imports(path, module) for module, path in paths.items() if module != "firered"}


SOURCES = sources()


def package_of(module: str) -> str:
    return module.split(".")[1]


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_the_sources_are_read():
    assert "firered.results" in SOURCES["firered.output.published"]
    assert len(SOURCES) > 100


def test_nothing_inside_is_imported_by_way_of_the_front_door():
    """Such as `from firered import Vad`, whose package the other rules could not see."""
    packages = {package_of(module) for module in SOURCES}
    assert [
        (module, name) for module, names in SOURCES.items() for name in names if package_of(name) not in packages
    ] == []


def test_the_library_knows_no_data_directory_and_no_command():
    assert [
        (module, name)
        for module, names in sorted(SOURCES.items())
        if package_of(module) in LIBRARY
        for name in sorted(names)
        if within(name, *COMMANDS)
    ] == []


def test_results_and_text_import_nothing_but_errors():
    assert [
        (module, name)
        for module, names in sorted(SOURCES.items())
        if package_of(module) in LEAVES
        for name in sorted(names)
        if package_of(name) not in {"errors", package_of(module)}
    ] == []


def test_no_two_packages_import_each_other():
    edges = defaultdict(set)
    for module, names in SOURCES.items():
        for name in names:
            if package_of(module) != package_of(name):
                edges[package_of(module), package_of(name)].add(f"{module} imports {name}")
    both = {pair: found for pair, found in edges.items() if pair[::-1] in edges}
    assert both == {}
