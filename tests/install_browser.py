"""Makes sure that the browser tests have a Chromium: `python tests/install_browser.py`.

Takes what is there (KIZASHI_CHROMIUM, then PATH); else installs Debian's package where it may; else the one
Playwright brings. Prints one line of what it chose; exits 1 with a reason where nothing worked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import playwright_chromium, system_chromium


def run(*command: str) -> bool:
    """Whether the command succeeded. Its output is shown only where it failed."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def may_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def has_cjk_font() -> bool:
    """Whether Japanese text shows as text, not boxes."""
    if shutil.which("fc-list") is None:
        return False
    listed = subprocess.run(["fc-list", ":lang=ja"], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


def apt_install(*packages: str) -> bool:
    return run("apt-get", "update", "-qq") and run(
        "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages
    )


def chosen() -> tuple[str, str] | None:
    """(path, where it came from), installing where needed; None where nothing worked."""
    if os.environ.get("KIZASHI_CHROMIUM"):
        path = system_chromium()
        return (path, "KIZASHI_CHROMIUM") if path else None
    if path := system_chromium():
        return path, "found on PATH"
    if may_apt():
        fonts = () if has_cjk_font() else ("fonts-noto-cjk",)
        if apt_install("chromium", *fonts) and (path := system_chromium()):
            return path, "installed by apt-get"
    if path := playwright_chromium():
        return path, "Playwright's own"
    if run(sys.executable, "-m", "playwright", "install", "chromium") and (path := playwright_chromium()):
        return path, "installed by Playwright"
    return None


def main() -> int:
    choice = chosen()
    if choice is None:
        print(
            "No browser for the tests: set KIZASHI_CHROMIUM to a Chromium, or install one.", file=sys.stderr
        )
        return 1
    path, origin = choice
    print(f"Browser for the tests: {path} ({origin})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
