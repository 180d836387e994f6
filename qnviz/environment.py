"""The environment variables that qnviz reads, each validated by its type and limits.

| variable | what it sets |
|---|---|
| QNVIZ_DATA | the folder of images |
| QNVIZ_LESSONS | folders of lessons, in place of our own |
| QNVIZ_WORKERS | worker processes for maps and scoreboards |
| QNVIZ_DASK_SCHEDULER | a Dask cluster's scheduler, in place of processes here |
| QNVIZ_FRAMES | origins of other sites that may show the app in a frame |
| BROWSER_PATH | the Chromium that draws pictures |

They are read when they are needed, so a test or a script may set them at any time. When a program
starts, `check` validates all of them, and refuses unknown names that begin with QNVIZ_.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError

from qnviz.errors import SettingError
from qnviz.fields import Frozen

LONGEST = 4096                       # characters of a value
MOST_WORKERS = 1024
PREFIX = "QNVIZ_"
FOR_TESTS = ("QNVIZ_CHROMIUM", "QNVIZ_REQUIRE_BROWSER")
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")


def _path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("must be a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:                       # ~somebody who is not known here
        raise ValueError("must be a path") from None


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in text.split(os.pathsep) if part)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6
            and 1 <= int(text) <= MOST_WORKERS):
        raise ValueError(f"must be a whole number from 1 to {MOST_WORKERS}")
    return int(text)


def _scheduler(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = (parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
                and not (parts.path or parts.query or parts.fragment or parts.username))
    except ValueError:                         # a port beyond 65535, half an IPv6 address
        good = False
    if not good:
        raise ValueError("must be an address such as tcp://127.0.0.1:8786")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(text.split())
    if not all(ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins such as https://moodle.example.org, with spaces between")
    return origins


class Environment(Frozen):
    """The variables' values; None, or an empty tuple, where one is not set."""

    QNVIZ_DATA: Annotated[Path, BeforeValidator(_path)] | None = None
    QNVIZ_LESSONS: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()
    QNVIZ_WORKERS: Annotated[int, BeforeValidator(_count)] | None = None
    QNVIZ_DASK_SCHEDULER: Annotated[str, BeforeValidator(_scheduler)] | None = None
    QNVIZ_FRAMES: Annotated[tuple[str, ...], BeforeValidator(_origins)] = ()
    BROWSER_PATH: Annotated[str, Field(min_length=1)] | None = None


def value(name: str) -> Any:
    """The value of one variable; its default where it is not set, or empty.

    Raises:
        SettingError: the value is not allowed; says why.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return Environment.model_fields[name].default
    if len(text) > LONGEST:
        raise SettingError(f"{name} has {len(text):,} characters; at most {LONGEST:,} are read.")
    try:
        return getattr(Environment.model_validate({name: text}), name)
    except ValidationError as error:
        why = str(error.errors()[0].get("ctx", {}).get("error", "must be text"))
        raise SettingError(f"{name} is {text[:200]!r}, but {why}.") from None


def check() -> None:
    """Validate all variables.

    Raises:
        SettingError: with a sentence per variable that is not allowed, or that qnviz does not know.
    """
    known = (*Environment.model_fields, *FOR_TESTS)
    wrong = [f"{name} is no variable of qnviz; there are {', '.join(Environment.model_fields)}."
             for name in sorted(os.environ) if name.startswith(PREFIX) and name not in known]
    for name in Environment.model_fields:
        try:
            value(name)
        except SettingError as error:
            wrong.append(str(error))
    if wrong:
        raise SettingError(" ".join(wrong))
