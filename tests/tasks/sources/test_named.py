from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import SourceError
from tasks.sources.named import NamedSource, read_named


def read(folder: Path, text: str) -> dict[str, NamedSource]:
    path = folder / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return read_named(path)


def test_no_file_names_no_source(tmp_path: Path) -> None:
    assert read_named(tmp_path / "absent.toml") == {}
    assert read_named(None) == {}


def test_files_and_queries_have_names(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [shop]
        path = "shop.csv"
        columns = { text = "body", label_from = "rating", negative_ratings_to = 2, positive_ratings_from = 4 }

        [warehouse]
        url_from = "WAREHOUSE_URL"
        query = "SELECT text, label FROM reviews"
        """,
    )

    assert list(found) == ["shop", "warehouse"]
    assert found["shop"].path == ("shop.csv",)
    assert (found["shop"].columns.text, found["shop"].columns.positive_ratings_from) == ("body", 4)
    assert found["warehouse"].query == "SELECT text, label FROM reviews"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[shop]\n", "it needs one of path, url and url_from"),
        ('[shop]\npath = "a.csv"\nurl = "sqlite://"\nquery = "SELECT 1"\n', "it needs one of path, url and url_from"),
        ('[shop]\nurl = "sqlite://"\n', "a database needs a query"),
        ('[shop]\npath = "a.csv"\nquery = "SELECT 1"\n', "files have none"),
        ('[shop]\npath = "a.csv"\ncolumn = { text = "body" }\n', "shop.column: Extra inputs are not permitted"),
        ('[shop]\npath = "a.csv"\ncolumns = { txet = "body" }\n', "shop.columns.txet: Extra inputs"),
        ("[shop\n", "cannot be read"),
        ('shop = "a.csv"\n', r"expected a table \[shop\]"),
        ('[imdb]\npath = "a.csv"\n', "a source cannot be called 'imdb'"),
        ('["../shop"]\npath = "a.csv"\n', "a source cannot be called '../shop'"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(tmp_path, text)
    assert "sources.toml" in str(caught.value)


def test_paths_are_relative_to_the_file_and_patterns_are_sorted(tmp_path: Path) -> None:
    for name in ("week-2.csv", "week-1.csv", "first.csv"):
        (tmp_path / name).touch()
    source = read(tmp_path, '[shop]\npath = ["first.csv", "week-*.csv", "week-1.csv"]\n')["shop"]

    files = source.files("shop", tmp_path)

    assert [path.name for path in files] == ["first.csv", "week-1.csv", "week-2.csv"]
    assert all(path.parent == tmp_path for path in files)


def test_a_path_that_means_nothing_is_told(tmp_path: Path) -> None:
    for path in ("absent.csv", "absent-*.csv"):
        with pytest.raises(SourceError, match=r"the source 'shop' is to be read from .*absent"):
            NamedSource(path=(path,)).files("shop", tmp_path)


def test_a_url_comes_from_the_file_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", "sqlite:///there.db")
    assert NamedSource(url="sqlite://", query="SELECT 1").database_url("w") == "sqlite://"
    assert NamedSource(url_from="WAREHOUSE_URL", query="SELECT 1").database_url("w") == "sqlite:///there.db"
    monkeypatch.delenv("WAREHOUSE_URL")
    with pytest.raises(SourceError, match="WAREHOUSE_URL, which is not set"):
        NamedSource(url_from="WAREHOUSE_URL", query="SELECT 1").database_url("w")
