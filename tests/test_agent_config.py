"""The config file: what it may hold, what is kept of it, and what comes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import (
    NAMES,
    Config,
    EngineSettings,
    engine_settings,
    expand_template,
    read_config,
    set_value,
    settings_in_force,
    variable,
)
from agent.errors import InputError
from agent.paths import config_path


def write(text: str) -> Path:
    """Write the config file by hand."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_are_stored_and_unset() -> None:
    assert read_config() == Config()
    set_value("engine.threads", "3")
    set_value("engine.cache", "q8_0")
    set_value("engine.disk", "false")
    assert engine_settings() == EngineSettings(threads=3, cache="q8_0", disk=False)
    set_value("engine.threads", "default")
    assert engine_settings().threads == "auto"
    set_value("persona", "42")
    assert read_config().persona == "42"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("engine.threads", "none", "engine.threads is 'none'; give auto or a whole number from 1 to 512"),
        ("engine.threads", "0", "from 1 to 512"),
        ("engine.threads", "true", "from 1 to 512"),
        ("engine.gpu_layers", "-1", "from 0 to 10000"),
        ("engine.gpu_layers", "1000000000000", "from 0 to 10000"),
        ("engine.threads", "513", "from 1 to 512"),
        ("engine.cache", "q4_0", "give one of f32, f16, q8_0"),
        ("engine.speculate", "maybe", "give true or false"),
        ("theme", "pink", "give one of dark, light, high-contrast"),
        ("max_steps", "0", "from 1 to 100"),
        ("persona", "x" * 4001, "persona is"),
        ("colour", "red", "there is no setting colour"),
        ("threads", "2", r"there is no setting threads; did you mean engine\.threads\?"),
        ("keys", "x", "there is no setting keys"),
    ],
)
def test_invalid_settings_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        set_value(name, value)
    assert not config_path().exists()


def test_a_quantized_cache_needs_flash_attention() -> None:
    set_value("engine.flash_attention", "off")
    with pytest.raises(InputError, match="needs flash attention"):
        set_value("engine.cache", "q8_0")


def test_comments_and_order_are_kept() -> None:
    path = write('# mine\ntheme = "light"  # by day\n\n[engine]\n# all but one\nthreads = 3\n')
    set_value("engine.disk", "false")
    set_value("templates.sum", "Sum up {input}")
    set_value("theme", "dark")
    assert path.read_text(encoding="utf-8") == (
        '# mine\ntheme = "dark"  # by day\n\n[engine]\n# all but one\nthreads = 3\ndisk = false\n'
        '\n[templates]\nsum = "Sum up {input}"\n'
    )


def test_what_is_written_by_hand_is_checked_and_named() -> None:
    write("[engine]\nthread = 3\nthreads = 1\n")
    with pytest.raises(InputError, match=r"config\.toml: an unknown field: engine\.thread; remove it"):
        engine_settings()
    set_value("engine.thread", "default")
    assert engine_settings() == EngineSettings(threads=1)
    write('theme = "dark"\nmax_steps = "many"\n')
    with pytest.raises(InputError, match=r"max_steps is 'many', not a whole number.*config set max_steps"):
        read_config()
    set_value("max_steps", "3")
    assert read_config().max_steps == 3


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write('theme = "light"\nmax_steps = 3\n[engine]\nthreads = 2\n')
    monkeypatch.setenv("UMI_THEME", "high-contrast")
    monkeypatch.setenv("UMI_ENGINE_THREADS", "4")
    monkeypatch.setenv("UMI_MAX_STEPS", "")
    config = read_config()
    assert (config.theme, config.engine.threads, config.max_steps) == ("high-contrast", 4, 3)
    origins = {setting.name: setting.origin for setting in settings_in_force()}
    assert origins["theme"] == origins["engine.threads"] == "environment"
    assert (origins["max_steps"], origins["persona"]) == ("file", "default")
    monkeypatch.setenv("UMI_ENGINE_THREADS", "many")
    with pytest.raises(InputError, match="UMI_ENGINE_THREADS is 'many'; give auto or a whole number"):
        read_config()


def test_every_setting_is_described_and_has_a_variable() -> None:
    for setting in settings_in_force():
        assert setting.description, setting.name
    assert {variable(name) for name in NAMES} >= {"UMI_MODELS", "UMI_LOG", "UMI_ENGINE_FLASH_ATTENTION"}


def test_templates_take_a_text() -> None:
    set_value("templates.sum", "Sum up {input} in a line.")
    set_value("templates.plain", "What is the time?")
    assert expand_template("sum", "a.txt") == "Sum up a.txt in a line."
    assert expand_template("plain", "") == "What is the time?"
    assert expand_template("plain", "in Rome") == "What is the time?\n\nin Rome"
    with pytest.raises(InputError, match="there is no template smu; did you mean sum"):
        expand_template("smu", "")
