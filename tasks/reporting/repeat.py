"""How to repeat a run: the command that it was, from the options that the store keeps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from storage.options import MonitorRunOptions


def command(flow: str, options: Mapping[str, Any]) -> str:
    """A command line; empty for a run that names no source, or of a flow that trains nothing and checks nothing.

    Args:
        flow: Of the run.
        options: As plain values.
    """
    if flow not in ("retrain", "check") or "source" not in options:
        return ""
    sources = [str(options["source"]), *map(str, options.get("append", ()))]
    if flow == "retrain":
        named = [word for source in sources for word in ("--source", source)]
        words = ["retrain", "run", *named, *_flags(options), "--force"]
    else:
        words = ["retrain", "check", *sources, *_flags(options)]
    return shlex.join([*words, *(word for setting in settings(options) for word in ("--set", setting))])


def settings(options: Mapping[str, Any]) -> list[str]:
    """Every option of a group that is not its default, as `--set` takes it."""
    usual = MonitorRunOptions().model_dump(mode="json")
    return [
        f"{group}.{name}={_text(value)}"
        for group, values in sorted(options.items())
        if isinstance(values, dict)
        for name, value in sorted(values.items())
        if value is not None and value != usual.get(group, {}).get(name)
    ]


def _flags(options: Mapping[str, Any]) -> list[str]:
    # Epochs and seed are said even where they are the defaults, which may change.
    words = [word for name in ("epochs", "seed") if name in options for word in (f"--{name}", str(options[name]))]
    if options.get("models"):
        words += ["--models", ",".join(options["models"])]
    if options.get("sample_size"):
        words += ["--sample-size", str(options["sample_size"])]
    return [*words, *(["--dry-run"] if options.get("dry_run") else [])]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
