"""What is installed is what was locked, and the lock names no place to fetch it from."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_installed_package_has_its_locked_version() -> None:
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS, flags=re.MULTILINE):
        # A package may be locked twice, for different Pythons or platforms.
        locked.setdefault(canonical(name), set()).add(version)
    # These make the environment; they are not part of it. uv comes with `make lock`.
    tools = {"pip", "setuptools", "wheel", "uv", "review-sentiment-retrain"}
    for distribution in metadata.distributions():
        name = canonical(distribution.metadata["Name"])
        if name not in tools:
            assert name in locked, f"{name} is installed but not locked: run `make lock`"
            assert distribution.version in locked[name], f"{name} {distribution.version} is not the locked version"


def test_the_lock_names_no_registry() -> None:
    assert "://" not in CONSTRAINTS
    assert "--" not in CONSTRAINTS
