"""A person opens the page of a run from disk: at a desk and on a phone, by day and by night. No server is needed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.serving import Served
from tests.ui.conftest import DESK, MAX_PICTURE_BYTES, PHONE, Opened, lightness

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def report(served: Served) -> Path:
    """The page that a real run has left."""
    (page,) = (file for file in (served.home / "reports").iterdir() if not file.name.startswith("trend-"))
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_report_opens_from_disk_without_a_word_and_fits_its_window(opened: Opened, width: int, scheme: str) -> None:
    with opened(width, scheme) as window:
        for state in (False, True):
            window.evaluate("state => document.querySelectorAll('details').forEach(one => one.open = state)", state)
            assert window.evaluate("document.documentElement.scrollWidth") == width
        drawn = window.evaluate("[...document.images].map(one => one.complete && one.naturalWidth > 0 && one.alt)")
        assert len(drawn) >= 8
        assert all(drawn)
        assert (lightness(window) > 200) == (scheme == "light")


def test_the_verdict_is_read_without_scrolling_and_the_sections_are_a_click_away(opened: Opened) -> None:
    with opened(PHONE) as window:
        place = window.locator("h1").bounding_box()
        assert place["y"] + place["height"] < 300
        assert window.locator("h1").inner_text().lower().startswith("promoted")
        window.get_by_role("link", name="Mistakes").click()
        assert window.locator("#mistakes").bounding_box()["y"] < 100


def test_tables_are_wider_than_a_phone_only_within_their_own_frames(opened: Opened) -> None:
    with opened(PHONE) as window:
        frames = window.locator(".scroll")
        assert frames.count() >= 4
        wide = [
            frames.nth(place).evaluate("one => one.scrollWidth > one.clientWidth") for place in range(frames.count())
        ]
        assert any(wide)
        for place in range(frames.count()):
            assert frames.nth(place).evaluate("one => one.getBoundingClientRect().right <= innerWidth")


def test_on_paper_everything_is_there_and_what_only_helps_on_a_screen_is_not(opened: Opened) -> None:
    with opened(DESK, "dark") as window:
        window.emulate_media(media="print")
        assert not window.locator("nav").is_visible()
        assert window.locator("details >> text=Versions").last.is_visible()
        assert window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert window.pdf(format="A4").startswith(b"%PDF")


def test_pictures_of_it_are_kept_for_the_readme(opened: Opened, pictures: Path) -> None:
    with opened(DESK) as window:
        window.set_viewport_size({"width": DESK, "height": 1700})
        taken = Image.open(io.BytesIO(window.screenshot()))
    # The page has few colours; a palette makes a third of the bytes.
    file = pictures / "report.png"
    taken.convert("RGB").quantize(128).save(file, optimize=True)
    assert file.stat().st_size < MAX_PICTURE_BYTES
