from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from storage import versions


def test_python_and_the_installed_libraries_are_listed() -> None:
    listed = versions.library_versions()

    assert listed["python"] == platform.python_version()
    assert listed["numpy"] == metadata.version("numpy")
    assert {"keras", "pyarrow", "prefect", "sqlalchemy"} <= set(listed)


def test_a_library_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_LIBRARIES", ("numpy", "no-such-library-anywhere"))

    assert set(versions.library_versions()) == {"python", "numpy"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the module takes for the one that it lies in."""
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "storage" / "versions.py"))
    return tmp_path


def test_outside_of_a_checkout_there_is_no_commit_and_git_is_not_asked(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("git was asked")

    monkeypatch.setattr(subprocess, "run", never)

    assert versions.git_commit() is None


def test_the_commit_is_what_git_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".git").mkdir()
    asked: list[list[str]] = []

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="0123abcd-dirty\n")

    monkeypatch.setattr(subprocess, "run", answer)

    assert versions.git_commit() == "0123abcd-dirty"
    assert asked[0][:3] == ["git", "-C", str(checkout)]


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)]
)
def test_a_git_that_fails_means_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    (checkout / ".git").mkdir()

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)

    assert versions.git_commit() is None
