"""`umi config`."""

from __future__ import annotations

import pytest

from agent.paths import config_path
from tui.cli.main import main


def test_settings_are_shown_and_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["config", "set", "engine.threads", "1"]) == 0
    monkeypatch.setenv("UMI_THEME", "light")
    monkeypatch.setenv("UMI_PERSONA", "be brief\x9b31m\u202e")
    assert main(["config", "show"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["engine.threads"].split()[1:3] == ["1", "(file)"]
    assert lines["theme"].split()[1:3] == ["light", "(UMI_THEME)"]
    assert "be brief\\u009b31m\\u202e" in lines["persona"]
    assert "(default)" in lines["max_steps"]
    assert main(["config", "set", "engine.threads", "many"]) == 2
    assert "give auto or a whole number from 1 to 512" in capsys.readouterr().err
    assert main(["config", "set", "models", "/no/such"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["config", "set", "models", "umi-mini"]) == 0
    assert 'models = "umi-mini"' in config_path().read_text()
    assert main(["config", "set", "models", "default"]) == 0
    assert main(["config", "set", "engine.threads", "default"]) == 0
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{config_path()}\n"
    assert "threads" not in config_path().read_text()
