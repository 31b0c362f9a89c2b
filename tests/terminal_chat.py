"""The app on scripted models, for a real terminal: the working folder is the first argument."""

from __future__ import annotations

import sys
from pathlib import Path

from fakes import calculation, call, plan, scripted

from tui.app.app import UmiApp

if __name__ == "__main__":
    writing = [
        plan("I will write it.", "caller"),
        call("write_file", path="todo.txt", content="buy maps"),
        *(plan("That was refused.", "summarizer"), "Nothing was written."),
    ]
    app = UmiApp(lambda: scripted([*calculation("It is 42."), *writing], Path(sys.argv[1])))
    app.run()
    app.sessions.close()
    print("left with", app.return_code)
