"""Draw the pictures of README: the app on the models that ship, as SVG, into docs/pictures."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path

from textual.pilot import Pilot

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIZE = (90, 28)


async def draw(workspace: Path) -> None:
    """Ask two questions and save the screen after the answer and at the question about a call."""
    from tui.app.app import UmiApp
    from tui.setup import Options, open_agent

    app = UmiApp(lambda: open_agent(Options(models="umi-mini", workspace=workspace)))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot, app)
        for question in ("what is 17.5% of 240?", "read list.md"):
            await app.chat.ask(question)
            await settled(pilot, app)
        save(app, "answer.svg")
        await app.chat.ask("write 'buy stamps' to todo.md")
        await settled(pilot, app)
        save(app, "approval.svg")
        app.chat.cancel()
        await settled(pilot, app)
    if app.opened:
        app.opened.close()


async def settled(pilot: Pilot[None], app: object) -> None:
    """Wait until nothing is loaded or generated."""
    from tui.app.app import UmiApp

    assert isinstance(app, UmiApp)
    await pilot.pause(0.5)
    while app.chat.status.busy:
        await pilot.pause(0.2)
    await pilot.pause(0.5)


def save(app: object, name: str) -> None:
    """Write the screen, without the fonts that a browser would fetch."""
    from tui.app.app import UmiApp

    assert isinstance(app, UmiApp)
    svg = re.sub(r"@font-face\s*\{.*?\}", "", app.export_screenshot(title="umi"), flags=re.DOTALL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(svg, encoding="utf-8")
    print(FOLDER / name)


def main() -> None:
    """Draw the pictures in a workspace of their own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UMI_HOME"] = str(Path(folder, "umi"))
        os.environ["HOME"] = folder
        workspace = Path(folder, "notes")
        workspace.mkdir()
        (workspace / "list.md").write_text("# Shopping\n- eggs\n- tea\n")
        (workspace / "todo.md").write_text("call the bank\nwater the plants\n")
        asyncio.run(draw(workspace))


if __name__ == "__main__":
    main()
