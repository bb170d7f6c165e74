"""The house rules, held by reading the code: who may import whom, and what a module may not do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("flows", "tasks", "storage")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def importers(library: str) -> set[str]:
    return {name_of(path) for path in MODULES if any(name.split(".")[0] == library for name in imports(path))}


def level(module: str) -> int:
    """flows → tasks/*.py → tasks/<library>/ → storage, from 3 down to 0."""
    parts = module.split(".")
    if parts[0] == "flows":
        return 3
    if parts[0] == "storage":
        return 0
    return 1 if (ROOT / "tasks" / parts[1]).is_dir() else 2


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    if name_of(path) == "tasks":
        return
    for name in imports(path):
        if name.split(".")[0] in ROOMS:
            assert level(name) <= level(name_of(path)), f"{name_of(path)} must not import {name}"
            # Tasks do not call each other: only a flow says in what order things happen.
            assert level(name) != 2 or level(name_of(path)) == 3, f"{name_of(path)} must not import the task {name}"


def test_only_flows_and_tasks_import_prefect() -> None:
    assert {module for module in importers("prefect") if level(module) < 2} == set()
    assert {module for module in importers("prefect") if module.startswith("flows.cli")} == set()


def test_only_the_store_and_the_reader_of_a_users_database_import_sqlalchemy() -> None:
    allowed = ("storage.metrics.", "tasks.sources.sql")
    assert all(module.startswith(allowed) for module in importers("sqlalchemy"))


def test_only_the_store_imports_alembic() -> None:
    assert {module for module in importers("alembic") if not module.startswith("storage.metrics.")} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_folder_of_modules_is_a_package_that_is_installed(path: Path) -> None:
    assert (path.parent / "__init__.py").is_file()


def test_only_a_few_modules_import_keras() -> None:
    allowed = ("tasks.models", "tasks.training", "tasks.features.batching", "storage.bundles")
    assert all(module.startswith(allowed) for module in importers("keras"))


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_only_what_trains_and_names_the_device_imports_a_backend(backend: str) -> None:
    found = importers(backend) - {"tasks.training.runtime"}
    assert found
    assert all(module.startswith(f"tasks.training.{backend}.") for module in found)


def test_only_the_command_that_opens_it_imports_datasette() -> None:
    # It is an extra: everything else works without it.
    assert importers("datasette") == {"flows.cli.exploring"}


def test_four_modules_draw_without_the_global_state_of_pyplot() -> None:
    names = ("pictures", "panels", "timeline", "trend_pictures")
    assert importers("matplotlib") == {f"tasks.reporting.{name}" for name in names}
    for name in names:
        drawing = ROOT / "tasks" / "reporting" / f"{name}.py"
        assert not [one for one in imports(drawing) if one.startswith(("matplotlib.pyplot", "matplotlib.backends"))]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_pickle_is_loaded_unrestricted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in text.replace("never with `allow_pickle=True`", "")
    assert "safe_mode=False" not in text
    assert "joblib" not in text
    assert name_of(path) == "tasks.sources.keras_imdb" or "pickle" not in {name.split(".")[0] for name in imports(path)}
