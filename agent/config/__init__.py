"""The user's settings: one file, `config.toml`, and variables of the environment.

Permissions are not among them: they are in a file of their own (`agent.consent.policy`), which umi writes, so
that a config file that is shared between machines or people allows nothing.
"""

from __future__ import annotations

from agent.config.resolution import (
    NAMES,
    Setting,
    engine_settings,
    expand_template,
    read_config,
    set_value,
    settings_in_force,
    variable,
)
from agent.config.schema import (
    PLACEHOLDER,
    THEME_NAMES,
    CacheType,
    Config,
    EngineSettings,
    Switch,
    ThemeName,
)

__all__ = [
    "NAMES",
    "PLACEHOLDER",
    "THEME_NAMES",
    "CacheType",
    "Config",
    "EngineSettings",
    "Setting",
    "Switch",
    "ThemeName",
    "engine_settings",
    "expand_template",
    "read_config",
    "set_value",
    "settings_in_force",
    "variable",
]
