"""The app on scripted models, as `umi --web` runs it: the working folder of the first argument."""

from __future__ import annotations

import sys
from pathlib import Path

from fakes import call, plan, scripted

from tui.app.app import UmiApp

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    script = [
        *(plan("", "summarizer"), "Hello, browser."),
        *(plan("I will write it.", "caller"), call("write_file", path="a.txt", content="x")),
        *(plan("", "summarizer"), "It is written."),
    ]
    UmiApp(lambda: scripted(script, folder)).run()
