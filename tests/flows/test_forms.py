from __future__ import annotations

from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from flows.check import check
from flows.forms import NamedSourceName, SourceName
from flows.monitor import monitor
from flows.retrain import retrain
from flows.score import score
from storage.errors import SourceError
from storage.settings import Settings


def form(flow: Any) -> dict[str, Any]:
    properties: dict[str, Any] = parameter_schema(flow.fn).model_dump()["properties"]
    return properties


def name_sources(settings: Settings, *names: str) -> None:
    tables = "\n".join(f'[{name}]\npath = "{name}.csv"' for name in names)
    (settings.home / "sources.toml").write_text(tables, encoding="utf-8")


@pytest.mark.parametrize("flow", [retrain, check])
def test_the_main_job_offers_what_is_built_in_and_what_has_a_name(flow: Any, settings: Settings) -> None:
    name_sources(settings, "shop", "warehouse")

    fields = form(flow)

    assert fields["source"]["enum"] == ["auto", "imdb", "synthetic", "shop", "warehouse"]
    assert fields["source"]["default"] == "auto"
    assert fields["append"]["items"]["enum"] == ["shop", "warehouse"]


@pytest.mark.parametrize("flow", [monitor, score])
def test_scoring_offers_named_sources_alone(flow: Any, settings: Settings) -> None:
    name_sources(settings, "shop")

    assert form(flow)["source"]["enum"] == ["shop"]


def test_without_a_name_there_is_nothing_to_choose_from(settings: Settings) -> None:
    assert form(retrain)["source"]["enum"] == ["auto", "imdb", "synthetic"]
    assert "enum" not in form(retrain)["append"]["items"]
    assert "enum" not in form(score)["source"]


def test_a_broken_file_of_sources_stops_the_deployment_in_words(settings: Settings) -> None:
    (settings.home / "sources.toml").write_text("[shop", encoding="utf-8")

    with pytest.raises(SourceError, match=r"sources\.toml, which gives sources their names, cannot be read"):
        TypeAdapter(SourceName).json_schema()


def test_python_takes_any_text_since_the_command_line_may_open_files(settings: Settings) -> None:
    name_sources(settings, "shop")

    assert TypeAdapter(NamedSourceName).validate_python("reviews.csv") == "reviews.csv"
