"""What figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

from tasks.training.runtime import processor_name


def machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, Python, and the versions of the packages that the figures depend on."""
    versions = {package: version(package) for package in packages}
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }
