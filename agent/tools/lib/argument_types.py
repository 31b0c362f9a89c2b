"""Types of the built-in tools' parameters that say what an argument is made of."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from typing import Annotated

from agent.tools.lib.numbers.units import unit_names
from agent.transcript.arguments import Copied, Derived

FILE_PATTERNS = (
    "* *.py *.js *.ts *.sh *.c *.h *.cpp *.java *.rs *.go *.ipynb *.sql *.css *.html *.xml *.json"
    " *.yaml *.yml *.toml *.ini *.cfg *.md *.rst *.txt *.csv *.tsv *.log *.pdf *.doc *.docx *.odt"
    " *.xls *.xlsx *.ods *.ppt *.pptx *.png *.jpg *.jpeg *.gif *.svg *.webp *.mp3 *.wav *.mp4"
    " *.zip *.tar *.gz *.epub *.tex *.bib"
)
"""Patterns of the kinds of files that people name in words: Python files, spreadsheets, pictures."""


@lru_cache(maxsize=1)
def _units() -> tuple[str, ...]:
    """Return the names of units, words in the plural too: feet and inches together are so many inches."""
    names = unit_names()
    return (*names, *(f"{name}{'es' if name.endswith('ch') else 's'}" for name in names if len(name) > 3))


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


Expression = Annotated[str, Derived("expression")]
Amount = Annotated[float, Derived("number")]
Days = Annotated[int, Derived("days")]
Date = Annotated[str, Derived("date")]
Text = Annotated[str, Derived("text")]
Query = Annotated[str, Copied(any_case=True)]
FilePath = Annotated[str, Copied(glue="/", values=lambda: (".",))]
FileName = Annotated[str, Copied(glue="*?./", values=FILE_PATTERNS.split)]
UnitName = Annotated[str, Copied(values=_units)]
TimeZone = Annotated[str, Copied(values=_time_zones)]
