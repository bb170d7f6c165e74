from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import OptionError
from storage.settings import Settings


@pytest.mark.parametrize("environment", [{}, {"RETRAIN_HOME": "", "RETRAIN_DATABASE_URL": "", "RETRAIN_IMDB_FILE": ""}])
def test_without_variables_everything_is_below_the_users_home(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)

    assert settings.home == Path.home() / ".retrain"
    assert settings.database_url == f"sqlite:///{Path.home()}/.retrain/metrics.db"
    assert settings.imdb_file is None


def test_the_store_and_the_folders_follow_the_home(tmp_path: Path) -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path)})

    assert settings.database_url == f"sqlite:///{tmp_path}/metrics.db"
    assert (settings.snapshots, settings.matrices) == (tmp_path / "snapshots", tmp_path / "matrices")
    assert (settings.bundles, settings.downloads) == (tmp_path / "bundles", tmp_path / "downloads")


def test_every_place_can_be_named(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "RETRAIN_HOME": str(tmp_path / "home"),
            "RETRAIN_DATABASE_URL": "postgresql+psycopg://user@host/name",
            "RETRAIN_IMDB_FILE": str(tmp_path / "imdb.npz"),
        }
    )

    assert settings.home == tmp_path / "home"
    assert settings.database_url == "postgresql+psycopg://user@host/name"
    assert settings.imdb_file == tmp_path / "imdb.npz"


def test_places_are_absolute_and_know_the_users_home() -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": "here", "RETRAIN_IMDB_FILE": "~/imdb.npz"})

    assert settings.home == Path.cwd() / "here"
    assert settings.imdb_file == Path.home() / "imdb.npz"


def test_the_processs_own_environment_is_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "mine"))

    assert Settings.from_environment().home == tmp_path / "mine"


def test_reading_the_settings_makes_nothing(tmp_path: Path) -> None:
    Settings.from_environment({"RETRAIN_HOME": str(tmp_path / "home")})

    assert not (tmp_path / "home").exists()


def test_preparing_makes_the_folders_and_leaves_nothing_in_them(tmp_path: Path) -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path / "a" / "home")})

    settings.prepare()
    settings.prepare()

    made = set(settings.home.rglob("*"))
    assert made == {settings.snapshots, settings.matrices, settings.bundles}


def test_a_home_below_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path / "file" / "home")})

    with pytest.raises(OptionError) as caught:
        settings.prepare()

    assert str(caught.value) == (
        f"the folder {settings.home} cannot be written to (Not a directory): make it writable, "
        "or name another one in RETRAIN_HOME."
    )


def test_a_file_in_a_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundles").touch()

    with pytest.raises(OptionError, match=r"the folder .*bundles cannot be written to \(File exists\)"):
        Settings.from_environment({"RETRAIN_HOME": str(tmp_path)}).prepare()


def test_a_folder_that_exists_but_takes_no_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002 (the name is tempfile's)
        raise PermissionError(13, "Permission denied")

    # Root writes anywhere, so the refusal is the operating system's only in words.
    monkeypatch.setattr("storage.settings.tempfile.TemporaryFile", refuse)

    with pytest.raises(OptionError, match=r"cannot be written to \(Permission denied\)"):
        Settings.from_environment({"RETRAIN_HOME": str(tmp_path)}).prepare()


@pytest.mark.parametrize("url", ["https://hooks.example.com/services/T0/B0", "mailto://user:password@example.com"])
def test_notifications_go_to_an_address_or_nowhere_and_an_error_does_not_repeat_it(url: str) -> None:
    assert Settings.from_environment({"RETRAIN_NOTIFY_URL": url}).notify_url == url
    assert Settings.from_environment({"RETRAIN_NOTIFY_URL": ""}).notify_url is None
    with pytest.raises(OptionError, match="RETRAIN_NOTIFY_URL is no address") as caught:
        Settings.from_environment({"RETRAIN_NOTIFY_URL": "hooks.example.com/secret"})
    assert "secret" not in str(caught.value)


def test_a_process_in_another_folder_reads_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": "here", "RETRAIN_IMDB_FILE": "imdb.npz"})
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment(settings.as_environment()) == settings


def test_a_home_that_would_be_cut_in_the_databases_url_is_refused() -> None:
    with pytest.raises(OptionError, match="question mark"):
        Settings.from_environment({"RETRAIN_HOME": "/tmp/what?now"})
