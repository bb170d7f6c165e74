"""A real browser before a real server and worker, as `retrain up` starts them."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.system.conftest import PrefectServer, Shell

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

DESK, PHONE = 1280, 390
"""Pixels, of a window's width."""
MAX_PICTURE_BYTES = 200_000

Opened = Callable[..., AbstractContextManager[Any]]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Without them, a browser that has no network beyond this machine asks for it all the time.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True)
class Desk:
    """Where a person sits: the command line, the server's address, and a page."""

    shell: Shell
    server: PrefectServer
    page: Page
    pictures: Path

    @property
    def ui(self) -> str:
        return self.server.api.removesuffix("/api")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.ui}{path}", wait_until="networkidle")

    def keep(self, name: str) -> None:
        """A picture of what is seen now; the fonts and the graph need a moment."""
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def field(self, name: str) -> Locator:
        """A parameter of the form, by the words that stand before it."""
        label = self.page.locator(f".schema-form-property__label:text-matches('^{re.escape(name)}( |$)')")
        return self.page.locator(".schema-form-property", has=label).last

    def fill(self, name: str, value: float | str) -> None:
        self.field(name).locator("input, textarea").fill(str(value))

    def choose(self, name: str, value: str) -> list[str]:
        """Choose from a select, and return what there was to choose from."""
        self.field(name).locator(".p-select-button__control").focus()
        self.page.keyboard.press("ArrowDown")
        options = self.page.locator(".p-select-option")
        options.first.wait_for()
        offered: list[str] = options.all_inner_texts()
        options.filter(has_text=re.compile(f"^{re.escape(value)}$")).click()
        return offered

    def text(self) -> str:
        shown: str = self.page.inner_text("body")
        return shown

    def wait_for_text(self, words: str, seconds: float = 60) -> None:
        self.page.get_by_text(words).first.wait_for(timeout=1000 * seconds)


@pytest.fixture(scope="session")
def browser() -> str:
    """The browser of this machine."""
    named = os.environ.get("RETRAIN_TEST_BROWSER")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"there is no browser: install one of {', '.join(BROWSERS)}, or name it in RETRAIN_TEST_BROWSER")
    return found


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pictures: the one that RETRAIN_TEST_PICTURES names, or one that goes with the test."""
    named = os.environ.get("RETRAIN_TEST_PICTURES")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def page(browser: str) -> Iterator[Page]:
    """A window of a desktop's width."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=list(QUIET))
        page = started.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        started.close()


@pytest.fixture
def opened(page: Page, report: Path) -> Opened:
    """Opens a module's report in a window of its own, in which nothing is complained of and nothing else asked for."""

    @contextmanager
    def open_it(width: int, scheme: str = "light") -> Iterator[Page]:
        browser: Any = page.context.browser
        with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
            window = context.new_page()
            said: list[str] = []
            window.on("console", lambda message: said.append(message.text))
            window.on("pageerror", lambda error: said.append(str(error)))
            window.on("request", lambda request: said.append(request.url))
            window.goto(report.as_uri())
            yield window
            assert [what for what in said if not what.startswith("data:")] == [report.as_uri()]

    return open_it


def lightness(window: Page) -> float:
    """Of the page's background, from 0 for black to 255."""
    pixel: Any = Image.open(io.BytesIO(window.screenshot())).convert("L").getpixel((3, 450))
    return float(pixel)


@pytest.fixture(scope="session")
def desk(page: Page, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A server, deployments and a worker, started the way that the README says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shell = Shell(tmp_path_factory.mktemp("desk"), {"PREFECT_SERVER_API_PORT": str(port)})
    shell.home.mkdir()
    (shell.home / "sources.toml").write_text('[shop]\npath = "reviews-*.csv"\n', encoding="utf-8")
    up = shell.retrain("up")
    try:
        assert up.returncode == 0, up.stderr
        yield Desk(shell, PrefectServer(f"http://127.0.0.1:{port}/api"), page, pictures)
    finally:
        shell.retrain("down")
