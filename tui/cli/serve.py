"""`umi serve`: the agent of the command line's options behind the server of the package `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError
from tui.cli.terminal.progress import say
from tui.installation import EXTRAS
from tui.setup import Options, open_agent
from tui.text import one_line

if TYPE_CHECKING:
    from agent.consent import Decision, Request
    from agent.loop import Agent


def serve(options: Options, *, host: str, port: int, yes: bool) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code. Raises InputError as `serve.command.serve` does.

    With `yes`, calls that write need no approval; else they are refused, for nobody is there to ask.
    """
    try:
        from serve.command import serve as run
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS["serve"]:
            raise
        raise InputError(
            f"`umi serve` needs {module}, which is not installed", "pip install 'umi-agent[serve]'"
        ) from None

    def opened() -> Agent:
        loaded = open_agent(options)
        for remark in loaded.remarks:
            say(f"umi: {one_line(remark, 300)}")
        return loaded.agent

    def ready(address: str) -> None:
        print(address, flush=True)
        say("programs that speak OpenAI's protocol find the model umi at this address. Ctrl-C ends it")

    return run(opened, _allowed if yes else None, host=host, port=port, ready=ready)


def _allowed(request: Request) -> Decision | None:
    return request.allow("umi serve --yes") if request.kind == "permission" else None
