"""Modules of `qnviz/web` on a page of a test, without a server."""

from __future__ import annotations

from typing import Any

from qnviz.web import bundle

IMPORT = """async (sources) => {
  const url = (text) => URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
  window.m = Object.assign({}, ...await Promise.all(sources.map((text) => import(url(text)))));
}"""


def imported(page: Any, *names: str, at: str = "about:blank") -> None:
    """Open an empty page, and put what these modules export into its `m`.

    A page that starts workers needs a place of a server.
    """
    page.goto(at)
    page.evaluate(IMPORT, [bundle(name) for name in names])
