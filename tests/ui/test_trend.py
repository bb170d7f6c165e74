"""A person opens the page of a line from disk, after a year of weekly runs. No server is needed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.example_year import fill
from storage.settings import Settings
from tasks.reporting.page import write_report
from tasks.reporting.trend import write_trend
from tests.ui.conftest import DESK, MAX_PICTURE_BYTES, PHONE, Opened, lightness

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a line after a year, beside that of its last run."""
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path_factory.mktemp("year"))})
    fill(settings.database_url)
    write_report(settings, "latest")
    return write_trend(settings, "imdb")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_trend_opens_from_disk_without_a_word_and_fits_its_window(opened: Opened, width: int, scheme: str) -> None:
    with opened(width, scheme) as window:
        assert window.evaluate("document.documentElement.scrollWidth") == width
        drawn = window.evaluate("[...document.images].map(one => one.complete && one.naturalWidth > 0 && one.alt)")
        assert len(drawn) == 6
        assert all(drawn)
        # The widest picture is another one on a phone, where its words would be too small.
        shown = window.evaluate("(one => one.naturalWidth / one.clientWidth)(document.images[0])")
        assert 1 < shown < 2.5
        assert (lightness(window) > 200) == (scheme == "light")


def test_what_serves_is_read_without_scrolling_and_the_sections_are_a_click_away(opened: Opened) -> None:
    with opened(PHONE) as window:
        place = window.locator("h1").bounding_box()
        assert place["y"] + place["height"] < 400
        assert "serves imdb since 2026-09-14" in window.locator("h1").inner_text()
        window.get_by_role("link", name="What served").click()
        assert window.locator("#served").bounding_box()["y"] < 100


def test_from_a_line_to_its_last_run_and_back(opened: Opened, report: Path) -> None:
    with opened(DESK) as window:
        (page,) = (file for file in report.parent.iterdir() if file != report)
        assert page.stem in window.locator("#runs a").inner_text()
        assert window.locator("#runs a").get_attribute("href") == page.name
    assert f'href="{report.name}"' in page.read_text(encoding="utf-8")


def test_on_paper_everything_is_there_and_what_only_helps_on_a_screen_is_not(opened: Opened) -> None:
    with opened(DESK, "dark") as window:
        window.emulate_media(media="print")
        assert not window.locator("nav").is_visible()
        assert window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert window.pdf(format="A4").startswith(b"%PDF")


def test_pictures_of_it_are_kept_for_the_readme(opened: Opened, pictures: Path) -> None:
    with opened(DESK) as window:
        window.set_viewport_size({"width": DESK, "height": 1560})
        taken = Image.open(io.BytesIO(window.screenshot()))
    file = pictures / "trend.png"
    taken.convert("RGB").quantize(256).save(file, optimize=True)
    assert file.stat().st_size < MAX_PICTURE_BYTES
