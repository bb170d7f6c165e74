"""What figures were measured on, and when."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from tasks.training.runtime import processor_name


def machine(*packages: str) -> dict[str, Any]:
    """The day, processor, cores, Python, and the versions of the packages that the figures depend on."""
    versions = {package: version(package) for package in packages}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }
