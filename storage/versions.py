"""What a run was made with: versions of the libraries, the commit of this project, and its code itself."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_LIBRARIES = ("keras", "tensorflow", "jax", "torch", "numpy", "scikit-learn", "pyarrow", "prefect", "sqlalchemy")


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a result; those that are not installed are left out."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def code_digest() -> str:
    """SHA-256 of this project's modules, by content: equal code gives equal results, whatever commit it is of."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for room in ("flows", "tasks", "storage") for path in (root / room).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def git_commit() -> str | None:
    """Commit of the checkout that this code runs from, with `-dirty` if files differ from it; None outside of one."""
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"]
    if not (root / ".git").exists():
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
