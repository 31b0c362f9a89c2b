"""Open the engine on a server: examine it, and choose how its models are addressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from agent.bundle import Bundle
from agent.errors import InputError
from agent.llama.grammar.calls import Kinds
from agent.remote.chat_engine import ChatServerEngine
from agent.remote.client import ServerClient
from agent.remote.engine import RemoteEngine
from agent.remote.server import examine

if TYPE_CHECKING:
    import httpx2


def open_remote_engine(
    url: str, bundle: Bundle, kinds: Mapping[str, Kinds], transport: httpx2.AsyncBaseTransport | None = None
) -> RemoteEngine | ChatServerEngine:
    """Return the engine on the server at `url`, which may end in `#MODEL`.

    Of `bundle` only the manifest counts: markers, context length, sampling. `transport` replaces the network.
    Raise InputError for a URL that is none, or of no server of models, and EngineError where it fails.
    """
    address, model = urldefrag(url)
    client = ServerClient(address, transport)
    try:
        server = examine(client, bundle, model)
        if server.dialect == "chat":
            return ChatServerEngine(client, server)
        if bundle.dialect != "umi":
            raise InputError(f"{bundle.name} is a stock model", "name umi's own models with --models")
        return RemoteEngine(client, server, bundle, kinds)
    except BaseException:
        client.close()
        raise
