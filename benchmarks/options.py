"""What several benchmarks are told in the same words."""

from __future__ import annotations

from pathlib import Path

import click

reviews_option = click.option(
    "--reviews",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A Parquet file with columns split and text.",
)
