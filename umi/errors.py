"""The errors that umi raises on purpose; `UmiError` is the base of all."""

from __future__ import annotations

from agent.errors import BundleError, ContextFullError, EngineError, InputError, ToolError, UmiError

__all__ = ["BundleError", "ContextFullError", "EngineError", "InputError", "ToolError", "UmiError"]
