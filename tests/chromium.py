"""Where the browser of the browser tests is: `CHROMIUM=`, one on the PATH, or Playwright's own.

`python -m tests.chromium` prints its path, or fails when there is none.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]
# No sandbox: the tests only open the pages of this project, often as root in a container.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Playwright's own list, which this one replaces, then two pages behind the address bar that nobody sees;
    # each window would draw them, for most of a second.
    "--disable-features="
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,TcpPortRandomizationWin,OptimizationHints,"
    "NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]


def _is_snap_stub(path: str) -> bool:
    """Ubuntu's `chromium-browser` without snap is a script that only says how to install one."""
    with open(path, "rb") as program:
        start = program.read(4096)
    return start.startswith(b"#!") and b"snap" in start and not Path("/snap/bin/chromium").exists()


def path() -> str | None:
    """The browser's path; None when there is none but Playwright's own, or none at all."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    for name in NAMES:
        found = shutil.which(name)
        if found and not _is_snap_stub(found):
            return found
    return None


def launch(playwright: Playwright) -> Browser:
    """A headless browser; every test that needs one starts it here."""
    return playwright.chromium.launch(executable_path=path(), args=ARGUMENTS)


def main() -> int:
    found = path()
    if found is None:
        with sync_playwright() as playwright:
            found = playwright.chromium.executable_path
    if not Path(found).exists():
        print("No Chromium found.", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
