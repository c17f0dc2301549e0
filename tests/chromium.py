"""Drive a headless Chromium with the DevTools protocol, over a pipe. Each message is JSON and ends with a zero byte."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
INSTALL = "apt-get install chromium"

_SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
]
_NOWHERE_ELSE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_SECONDS = 60.0
# Runs before the page's own scripts. Records layout shifts, and violations of the page's policy.
_WATCH = """
window.shifts = 0; window.forbidden = [];
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shifts += entry.value; })
    .observe({type: 'layout-shift', buffered: true});
addEventListener('securitypolicyviolation', event => window.forbidden.push(event.violatedDirective));
"""
_LOADED = """
(async () => {
    if (document.readyState != 'complete') await new Promise(resolve => addEventListener('load', resolve));
    for (const image of document.images) {
        image.scrollIntoView();
        while (!image.complete) await new Promise(resolve => setTimeout(resolve, 10));
    }
    await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
})()
"""


class Chromium:
    """One browser with an empty profile in *folder*. The caller must close it."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        (commands, self._commands), (self._answers, answers) = os.pipe(), os.pipe()
        for descriptor in (commands, answers):
            os.set_inheritable(descriptor, True)
        shell = ("bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash")  # Chromium uses descriptors 3 and 4
        self._process = subprocess.Popen(
            [*shell, CHROMIUM, *_SWITCHES, _NOWHERE_ELSE, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
        )
        os.close(commands)
        os.close(answers)
        self._read = b""
        self._number = 0

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (AssertionError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call *method* and return the browser's answer. Events that arrive before it are dropped."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._commands, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b""
            assert data, "Chromium does not answer"
            self._read += data
        message, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def page(self, url: str, width: int, *, density: float = 1, height: int = 800) -> Page:
        """Open *url* in a window of *width* CSS pixels, scroll to each image, and wait until all are loaded.

        *density* is the number of device pixels per CSS pixel.
        """
        context = self.call("Target.createBrowserContext")["browserContextId"]  # its own cache
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context)
        metrics = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", session, **metrics)
        self.call("Page.enable", session)
        self.call("Page.addScriptToEvaluateOnNewDocument", session, source=_WATCH)
        self.call("Page.navigate", session, url=url)
        page.evaluate(_LOADED)
        return page


class Page:
    """One open page. The caller must close it."""

    def __init__(self, browser: Chromium, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context

    def evaluate(self, script: str) -> Any:
        """Run *script* and return its value. If the value is a promise, wait for its result."""
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self._browser.call("Runtime.evaluate", self._session, **given)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)
