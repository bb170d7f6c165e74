"""The options of a run as the store has them, flat: `training.batch_size` and its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.options import MonitorRunOptions


@dataclass(frozen=True)
class Difference:
    """A name whose value is not the same on two sides; None where a side has none."""

    name: str
    first: Any
    second: Any


def flattened(options: Mapping[str, Any]) -> dict[str, Any]:
    """Each option by its group and name, as `--set` takes it."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{key}": one for key, one in value.items()})
        else:
            flat[name] = value
    return flat


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What two sides do not have alike, in the order of the first, then of the second."""
    names = dict.fromkeys((*first, *second))
    return tuple(
        Difference(name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    )


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not as they are by default."""
    usual = flattened(MonitorRunOptions().model_dump(mode="json"))
    return {name: value for name, value in flattened(options).items() if name not in usual or usual[name] != value}
