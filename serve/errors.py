"""Errors of requests in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`, and a status."""

from __future__ import annotations

from typing import Any

from agent.errors import ContextFullError, InputError, UmiError


class RequestError(Exception):
    """A request that is not answered, with the HTTP `status` and the fields of OpenAI's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        param: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers or {}
        super().__init__(message)

    def to_json(self) -> dict[str, Any]:
        """Return the error object."""
        kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )
        error = {
            "message": self.message,
            "type": kind,
            "param": self.param or None,
            "code": self.code or None,
        }
        return {"error": error}


def request_error(error: UmiError) -> RequestError:
    """Return what a client is told of an error of umi: its own fault is a 400, ours a 500."""
    if isinstance(error, ContextFullError):
        message = f"the messages need {error.needed} tokens and the models hold {error.available}"
        return RequestError(400, message, "context_length_exceeded", "messages")
    if isinstance(error, InputError):
        return RequestError(400, error.what, "invalid_value")
    return RequestError(500, str(error), "umi_failed")
