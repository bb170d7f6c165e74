"""The commands that read a source: check it, or train on it."""

from __future__ import annotations

from typing import Any

import click

from flows.cli.shared import finish, json_option, ready, set_option

sample_option = click.option(
    "--sample-size", type=int, help="Only so many reviews of train and of test.  [default: all]"
)


def _comma_separated(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value is not None else None


@click.command()
@click.argument("sources", metavar="SOURCE", nargs=-1, required=True)
@sample_option
@set_option
@json_option
def check(sources: tuple[str, ...], sample_size: int | None, groups: dict[str, Any], as_json: bool) -> None:
    """Read SOURCE and check its data; nothing is trained. SOURCE is what `retrain run --source` takes.

    \b
    Example:
      retrain check reviews.csv
      retrain check reviews.csv more-reviews.csv --set columns.text=body
    """
    from storage.options import RunOptions

    flat = {**_sources(sources), **({"sample_size": sample_size} if sample_size else {})}
    options = RunOptions.parse(**{**flat, **groups})
    settings = ready(options)
    from flows.check import check_as_flow

    finish(settings, lambda: check_as_flow(options), as_json=as_json, in_full=True)


@click.command()
@click.option(
    "--source", "sources", multiple=True,
    help="A file (.csv, .tsv, .jsonl, .parquet, .npz), a folder, a named source, auto, imdb or synthetic; several are "
    "put together.  [default: auto]",
)  # fmt: skip
@click.option("--models", callback=_comma_separated, help="Models to train, separated by commas.  [default: both]")
@click.option("--epochs", type=int, help="Most epochs a model may train.  [default: 12]")
@click.option("--seed", type=int, help="Seed of weights, batches and dropout.  [default: 7]")
@sample_option
@click.option("--dry-run", is_flag=True, default=None, help="Decide, but promote nothing.")
@click.option("--force", is_flag=True, default=None, help="Train anew, even if nothing has changed since a run.")
@set_option
@json_option
def run(sources: tuple[str, ...], groups: dict[str, Any], as_json: bool, **flat: Any) -> None:
    """Train both models, evaluate them, and promote one if the rule allows it.

    \b
    Example:
      retrain run --source synthetic --epochs 20
      retrain run --source reviews.csv --source more-reviews.csv
    """
    from storage.options import RunOptions

    given = {**_sources(sources), **{name: value for name, value in flat.items() if value is not None}}
    options = RunOptions.parse(**{**given, **groups})
    settings = ready(options)
    from flows.retrain import run_as_flow

    finish(settings, lambda: run_as_flow(options), as_json=as_json)


def _sources(sources: tuple[str, ...]) -> dict[str, Any]:
    return {"source": sources[0], "append": sources[1:]} if sources else {}
