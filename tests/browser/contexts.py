"""Browser contexts that tests share, so that the page's scripts are fetched and compiled once.

A context of its own costs a visit more than the page itself: Streamlit's and Plotly's scripts come
anew. Here tests with the same options get a new page in one context, and what a page may leave
behind, other pages, cookies, storage and permissions, is taken away after each.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit


class Contexts:
    """Contexts of a browser by their options, each with a page that keeps its process alive."""

    def __init__(self, browser: Any, site: str) -> None:
        self.browser, self.site = browser, site
        self.shared: dict[str, tuple[Any, Any]] = {}
        self.alone: list[Any] = []

    def page(self, alone: bool, options: dict[str, Any]) -> Any:
        """A new page, in a context that nobody else uses if it is to be changed."""
        if alone:
            self.alone.append(self.browser.new_context(**options))
            return self.alone[-1].new_page()
        key = json.dumps(options, sort_keys=True)
        if key not in self.shared:
            context = self.browser.new_context(**options)
            anchor = context.new_page()
            anchor.goto(self.site)
            self.shared[key] = context, anchor
        return self.shared[key][0].new_page()

    def tidy(self) -> None:
        """Close what a test has opened, and forget what its pages have stored."""
        for context in self.alone:
            context.close()
        self.alone.clear()
        for context, anchor in self.shared.values():
            pages = [page for page in context.pages if page is not anchor]
            if not pages:
                continue
            origins = {f"{at.scheme}://{at.netloc}" for page in pages
                       if (at := urlsplit(page.url)).scheme == "http"}
            for page in pages:
                page.close()
            context.clear_permissions()
            devtools = context.new_cdp_session(anchor)
            for origin in origins:
                devtools.send("Storage.clearDataForOrigin",
                              {"origin": origin, "storageTypes": "cookies,local_storage"})
            devtools.detach()
