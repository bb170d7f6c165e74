from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import NotFoundError, OptionError, SourceError
from storage.options import RunOptions
from storage.settings import Settings
from tasks.scoring import labels
from tasks.scoring.labels import label_source, label_texts
from tests.reviews import write_reviews
from tests.serving import Served
from tests.tasks.scoring.test_champion import champion_of, settings_of


@pytest.fixture
def settings(served: Served, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of the home with a champion; without it, were it to be loaded, a mistake would be told too late."""
    monkeypatch.setattr(labels, "_scorer", None)
    return settings_of(served)


def options(source: Path | str) -> RunOptions:
    return RunOptions(source=str(source))


def test_texts_are_labelled_in_their_order(served: Served) -> None:
    texts = ["A wonderful, superb, moving film.", "awful and boring; a terrible, dull story", "A wonderful film!"]
    found = label_texts(settings_of(served), texts, "reviews")
    assert [one.text for one in found] == texts
    assert [one.label for one in found] == [1, 0, int(found[2].probability > 0.5)]
    assert found[0].probability > 0.5 > found[1].probability
    assert {one.champion for one in found} == {champion_of(served).candidate_id}


@pytest.mark.parametrize("texts", [[""], ["good", " \n"]])
def test_an_empty_text_is_told_at_once(settings: Settings, texts: list[str]) -> None:
    with pytest.raises(OptionError, match="an empty text has no label: give each review its words"):
        label_texts(settings, texts, "")


def test_a_text_without_words_is_told(served: Served) -> None:
    with pytest.raises(OptionError, match=r"there is no word in the text '!!! \?', and so no label"):
        label_texts(settings_of(served), ["good", "!!! ?"], "")


def test_a_text_whose_bytes_are_no_text_is_told_at_once(settings: Settings) -> None:
    # As Python reads an argument that holds the byte E9.
    with pytest.raises(OptionError, match=r"the text 'caf\?' is not UTF-8: give it in UTF-8, or in a file"):
        label_texts(settings, ["caf\udce9"], "")


@pytest.mark.parametrize("source", ["auto", "imdb", "synthetic", "imdb.npz"])
def test_word_ranks_are_no_texts(settings: Settings, tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceError, match=f"{source} holds word ranks, not texts: name a file or a source of texts"):
        label_source(settings, options(source), tmp_path / "out.csv", "")


def test_a_mistake_in_the_output_is_told_before_anything_is_read(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"must end in \.parquet"):
        label_source(settings, options("no-such.csv"), tmp_path / "out.txt", "")


def test_the_input_cannot_be_the_output(settings: Settings, served: Served) -> None:
    path = served.home.parent / "reviews.csv"
    before = path.read_bytes()
    with pytest.raises(OptionError, match="is the file that is read"):
        label_source(settings, options(path), path, "")
    assert path.read_bytes() == before


def test_a_missing_column_is_told_before_the_champion_is_loaded(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("body\ngood\n")
    with pytest.raises(SourceError, match="has no column 'text': its columns are 'body'"):
        label_source(settings, options(tmp_path / "in.csv"), tmp_path / "out.csv", "")


def test_a_source_of_several_files_is_labelled_whole(served: Served, tmp_path: Path) -> None:
    for name in ("new-1.csv", "new-2.csv"):
        write_reviews(tmp_path / name, served.reviews[:3])
    (tmp_path / "sources.toml").write_text('[new]\npath = "new-*.csv"\n')
    environment = {"RETRAIN_HOME": str(served.home), "RETRAIN_SOURCES": str(tmp_path / "sources.toml")}
    scored = label_source(Settings.from_environment(environment), options("new"), tmp_path / "out.csv", "")
    assert scored.num_rows == 6
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [[f"new-{part}", str(row)] for part in (1, 2) for row in (1, 2, 3)]


def test_a_line_without_a_champion_is_told_and_nothing_is_written(served: Served, tmp_path: Path) -> None:
    write_reviews(tmp_path / "in.csv", served.reviews[:3])
    with pytest.raises(NotFoundError, match="no champion serves on the line 'shop'; lines that have one: reviews"):
        label_source(settings_of(served), options(tmp_path / "in.csv"), tmp_path / "out.csv", "shop")
    assert not (tmp_path / "out.csv").exists()
