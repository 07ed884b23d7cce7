"""A headless Chromium that opens pages from the disk: Debian's ``chromium`` and ``chromium-driver``, driven by Selenium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.support.wait import WebDriverWait

BROWSER, DRIVER = "chromium", "chromedriver"
PACKAGES = ("chromium", "chromium-driver")
"""Of Debian, whose versions go with each other."""

WIDTH, HEIGHT = 1200, 900  # [px]
PATIENCE = 20  # [s] until something shows
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # as root, in containers
    "--disable-dev-shm-usage",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    f"--window-size={WIDTH},{HEIGHT}",
)

PLACE = """
const plot = document.getElementById(arguments[0]), trace = plot._fullData[arguments[1]], { xaxis, yaxis } = plot._fullLayout;
plot.scrollIntoView({ block: "center" });
const { left, top } = plot.getBoundingClientRect();
return [left + xaxis._offset + xaxis.d2p(trace.x[arguments[2]]), top + yaxis._offset + yaxis.d2p(trace.y[arguments[2]])];
"""
"""Where a point of a plot is on the screen [px]."""

LABELS = (
    "return [...document.querySelectorAll(`#${arguments[0]} .hoverlayer .hovertext`)].map((one) => one.textContent).join(' ')"
)


def is_there() -> bool:
    """Whether both programs are on the path."""
    return all(shutil.which(program) for program in (BROWSER, DRIVER))


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser, which is ended at the end."""
    options = ChromeOptions()
    options.binary_location = shutil.which(BROWSER) or BROWSER
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(shutil.which(DRIVER) or DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def show(browser: Chrome, page: Path, width: int = WIDTH, dark: bool = False) -> None:
    """Open a page on a screen of some width [px], a narrow one a phone's, in light or dark colours."""
    screen = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < WIDTH}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    colors = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [colors]})
    browser.get(page.resolve().as_uri())


def errors(browser: Chrome) -> list[str]:
    """What the console was told of errors since it was last asked."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def hover(browser: Chrome, plot: str, trace: int, number: int) -> str:
    """Move the pointer onto a point of a plot and wait for its label; returns the label's text.

    The pointer goes to a corner of the screen first, so that the label is not another point's that is still there.
    Raises Selenium's ``TimeoutException`` if there is none within :data:`PATIENCE`.
    """
    x, y = browser.execute_script(PLACE, plot, trace, number)
    wait = WebDriverWait(browser, PATIENCE, poll_frequency=0.01)
    _move(browser, 0, 0)
    wait.until(lambda _: not browser.execute_script(LABELS, plot))
    _move(browser, round(x), round(y))
    return str(wait.until(lambda _: browser.execute_script(LABELS, plot)))


def _move(browser: Chrome, x: int, y: int) -> None:
    moves = ActionBuilder(browser, duration=0)
    moves.pointer_action.move_to_location(x, y)
    moves.perform()


def click(browser: Chrome) -> None:
    """Press and release the pointer where it is."""
    press = ActionBuilder(browser, duration=0)
    press.pointer_action.click()
    press.perform()
