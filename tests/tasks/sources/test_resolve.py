from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import SourceError, UnavailableSourceError
from storage.options import RunOptions
from storage.settings import Settings
from tasks.sources import keras_imdb
from tasks.sources.base import Reviews
from tasks.sources.resolve import OpenedTexts, check_is_named, check_source, open_source, open_texts

WriteNpz = Callable[..., Path]
SMALL = {"num_train": 20, "num_test": 20}


def options(source: str = "auto", **values: object) -> RunOptions:
    return RunOptions.parse(source=source, synthetic=SMALL, **values)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url="sqlite://")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Keras would have the file; it is not there yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets" / "imdb.npz"


@pytest.fixture(autouse=True)
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """There is no network; the folders that were asked for."""
    asked: list[Path] = []

    def fail(folder: Path) -> Path:
        asked.append(folder)
        raise UnavailableSourceError("the download failed")

    monkeypatch.setattr(keras_imdb, "download", fail)
    return asked


def load_reviews(options: RunOptions, settings: Settings) -> Reviews:
    found = open_source(options, settings)
    assert isinstance(found, Reviews)
    return found


def with_file(settings: Settings, path: Path) -> Settings:
    return Settings(settings.home, settings.database_url, imdb_file=path)


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_the_file_of_the_settings_comes_first(
    write_npz: WriteNpz, settings: Settings, cache: Path, downloads: list[Path], source: str
) -> None:
    put(write_npz(), cache)
    path = write_npz("mine.npz", x_test=[[50], [60]])
    reviews = load_reviews(options(source), with_file(settings, path))
    assert reviews.test.tokens.values.tolist() == [50, 60]
    assert (reviews.line, reviews.origin) == ("imdb", str(path))
    assert reviews.reason == "RETRAIN_IMDB_FILE names it"
    assert downloads == []


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_keras_cache_comes_next(
    write_npz: WriteNpz, settings: Settings, cache: Path, downloads: list[Path], source: str
) -> None:
    put(write_npz(), cache)
    reviews = load_reviews(options(source), settings)
    assert (reviews.line, reviews.origin) == ("imdb", str(cache))
    assert "RETRAIN_IMDB_FILE is not set" in reviews.reason
    assert "Keras has it in its cache" in reviews.reason
    assert downloads == []


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_the_download_comes_next(
    write_npz: WriteNpz, settings: Settings, cache: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    path = write_npz()
    folders: list[Path] = []

    def fetch(folder: Path) -> Path:
        folders.append(folder)
        return path

    monkeypatch.setattr(keras_imdb, "download", fetch)
    reviews = load_reviews(options(source), settings)
    assert (reviews.line, reviews.origin) == ("imdb", str(path))
    assert str(cache) in reviews.reason
    assert "downloaded" in reviews.reason
    assert folders == [settings.downloads]


def test_the_synthetic_corpus_comes_last_and_the_reason_lists_all_that_failed(
    settings: Settings, cache: Path, downloads: list[Path]
) -> None:
    reviews = load_reviews(options(), settings)
    assert reviews.line == "synthetic"
    assert len(reviews.train.labels) == 20
    assert "RETRAIN_IMDB_FILE is not set" in reviews.reason
    assert f"{cache} is not there" in reviews.reason
    assert "the download failed" in reviews.reason
    assert downloads == [settings.downloads]


def test_imdb_without_a_network_is_an_error_and_never_the_synthetic_corpus(settings: Settings, cache: Path) -> None:
    with pytest.raises(UnavailableSourceError) as caught:
        load_reviews(options("imdb"), settings)
    assert str(cache) in str(caught.value)
    assert "the download failed" in str(caught.value)
    assert "name it in RETRAIN_IMDB_FILE" in str(caught.value)


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_a_broken_file_of_the_settings_is_an_error_and_not_skipped(
    write_npz: WriteNpz, settings: Settings, cache: Path, downloads: list[Path], source: str
) -> None:
    put(write_npz(), cache)
    path = write_npz("mine.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError, match=r"mine\.npz is not a complete"):
        load_reviews(options(source), with_file(settings, path))
    assert downloads == []


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_a_broken_file_in_keras_cache_is_an_error_and_not_skipped(
    write_npz: WriteNpz, settings: Settings, cache: Path, downloads: list[Path], source: str
) -> None:
    put(write_npz(x_train=[[1], [2], [], [3]]), cache)
    with pytest.raises(SourceError, match="reviews of x_train are empty"):
        load_reviews(options(source), settings)
    assert downloads == []


def test_a_broken_download_is_an_error_and_not_skipped(
    write_npz: WriteNpz, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_npz(y_train=None)
    monkeypatch.setattr(keras_imdb, "download", lambda folder: path)
    with pytest.raises(SourceError, match="has no y_train"):
        load_reviews(options(), settings)


def test_an_absent_file_of_the_settings_is_an_error_and_not_skipped(
    write_npz: WriteNpz, settings: Settings, cache: Path, tmp_path: Path
) -> None:
    put(write_npz(), cache)
    with pytest.raises(SourceError, match="there is no file"):
        load_reviews(options(), with_file(settings, tmp_path / "absent.npz"))


def test_the_synthetic_corpus_that_was_asked_for_looks_at_no_file(
    write_npz: WriteNpz, settings: Settings, downloads: list[Path]
) -> None:
    reviews = load_reviews(options("synthetic"), with_file(settings, write_npz()))
    assert (reviews.line, reviews.reason) == ("synthetic", "the synthetic corpus was asked for")
    assert downloads == []


def test_a_path_is_read_and_its_name_is_the_line(write_npz: WriteNpz, settings: Settings) -> None:
    path = write_npz("hotels.npz")
    reviews = load_reviews(options(str(path)), settings)
    assert (reviews.line, reviews.origin, reviews.reason) == ("hotels", str(path), "this file was asked for")


def test_a_path_may_begin_at_the_home_or_in_the_current_folder(
    write_npz: WriteNpz, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_npz("hotels.npz")
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.chdir(path.parent)
    for source in ("~/hotels.npz", "hotels.npz"):
        assert load_reviews(options(source), settings).origin == str(path)


def test_the_bound_on_the_unpacked_size_is_the_one_of_the_options(write_npz: WriteNpz, settings: Settings) -> None:
    path = write_npz()
    with pytest.raises(SourceError, match="more than the 100 that are allowed"):
        load_reviews(options(str(path), data={"max_uncompressed_bytes": 100}), settings)


@pytest.mark.parametrize("source", ["imbd", "AUTO", "shop"])
def test_an_unknown_source_is_refused_and_the_known_ones_are_listed(settings: Settings, source: str) -> None:
    for function in (check_source, open_source):
        with pytest.raises(SourceError, match=r"expected auto, imdb, synthetic, a file that ends in \.csv") as caught:
            function(options(source), settings)
        assert repr(source) in str(caught.value)


@pytest.mark.parametrize("source", ["reviews.csv", "", "folder/", "folder/reviews", "reviews.xlsx"])
def test_a_path_that_is_not_there_or_not_known_is_refused_at_once(settings: Settings, source: str) -> None:
    for function in (check_source, open_source):
        with pytest.raises(SourceError):
            function(options(source), settings)


@pytest.mark.parametrize("source", ["auto", "imdb", "synthetic"])
def test_the_named_sources_pass_the_first_look_without_a_file_or_a_network(
    settings: Settings, downloads: list[Path], source: str
) -> None:
    check_source(options(source), settings)
    assert downloads == []


def test_a_path_passes_the_first_look_if_it_is_there(write_npz: WriteNpz, settings: Settings, tmp_path: Path) -> None:
    check_source(options(str(write_npz())), settings)
    with pytest.raises(SourceError, match=r"there is no file .*absent\.npz"):
        check_source(options(str(tmp_path / "absent.npz")), settings)


@pytest.mark.parametrize("source", ["auto", "imdb"])
def test_the_file_of_the_settings_is_looked_for_at_once(
    write_npz: WriteNpz, settings: Settings, tmp_path: Path, source: str
) -> None:
    check_source(options(source), with_file(settings, write_npz()))
    with pytest.raises(SourceError, match=r"there is no file .*absent\.npz"):
        check_source(options(source), with_file(settings, tmp_path / "absent.npz"))


def test_an_absent_file_of_the_settings_does_not_concern_the_synthetic_corpus(
    settings: Settings, tmp_path: Path
) -> None:
    check_source(options("synthetic"), with_file(settings, tmp_path / "absent.npz"))


def test_a_file_of_texts_is_found_by_its_ending_and_gives_the_line_its_name(settings: Settings, csv_file: Path) -> None:
    found = open_source(options(str(csv_file)), settings)

    assert isinstance(found, OpenedTexts)
    assert (found.line, found.origin, found.reason) == ("hotels", str(csv_file), "it was asked for")
    assert [part.name for part in found.parts] == ["hotels"]
    assert len(found.sha256) == 64


def test_several_files_are_one_source_of_the_first_ones_line(settings: Settings, csv_file: Path) -> None:
    second = csv_file.with_name("week-2.csv")
    shutil.copy(csv_file, second)

    found = open_texts(options(str(csv_file), append=(str(second),)), settings)

    assert found.line == "hotels"
    assert found.origin == f"{csv_file}, {second}"
    assert [part.name for part in found.parts] == ["hotels", "week-2"]
    assert found.sha256 == ""


def test_token_ranks_are_not_put_together_with_anything(settings: Settings, csv_file: Path) -> None:
    for source, other in (("synthetic", str(csv_file)), (str(csv_file), "synthetic"), (str(csv_file), "x.npz")):
        for function in (check_source, open_source):
            with pytest.raises(SourceError, match="cannot be put together"):
                function(options(source, append=(other,)), settings)


@pytest.mark.parametrize("name", ["imdb", "synthetic", "auto"])
def test_a_file_cannot_take_the_line_of_a_source_that_is_always_there(
    settings: Settings, csv_file: Path, name: str
) -> None:
    path = csv_file.rename(csv_file.with_name(f"{name}.csv"))
    with pytest.raises(SourceError, match=f"the line '{name}' is taken"):
        open_source(options(str(path)), settings)


def test_a_missing_column_is_told_at_the_first_look(settings: Settings, csv_file: Path) -> None:
    csv_file.write_text("body,label\nwords,1\n", encoding="utf-8")
    with pytest.raises(SourceError, match="body"):
        check_source(options(str(csv_file)), settings)


def test_a_named_source_is_found_and_read_as_its_table_says(settings: Settings, csv_file: Path) -> None:
    named = with_names(settings, f'[shop]\npath = "{csv_file}"\ncolumns = {{ text = "body" }}\n')

    found = open_texts(options("shop"), named)

    assert (found.line, found.reason) == ("shop", f"{named.sources_file} names it")
    assert found.parts[0].columns.text == "body"


def test_a_deployment_reads_what_has_a_name_and_opens_no_path(settings: Settings, csv_file: Path) -> None:
    named = with_names(settings, f'[shop]\npath = "{csv_file}"\n')

    for source in ("auto", "imdb", "synthetic", "shop"):
        check_is_named(options(source), named)
    for source in (str(csv_file), "sqlite:///reviews.db", "shops"):
        with pytest.raises(SourceError, match="a deployment reads named sources only"):
            check_is_named(options(source), named)
    with pytest.raises(SourceError, match="a deployment reads named sources only"):
        check_is_named(options("shop", append=(str(csv_file),)), named)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "hotels.csv"
    path.write_text("text,label\na fine room,1\na poor room,0\n", encoding="utf-8")
    return path


def with_names(settings: Settings, text: str) -> Settings:
    path = settings.home / "sources.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Settings(settings.home, settings.database_url, sources_file=path)
