"""Photograph the pages for the README: `make pictures`. Needs the development requirements."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.lab import FLAGS, executable, server

HERE = Path(__file__).resolve().parent
SIZE = {"width": 1280, "height": 800}
PLAYER = "[data-qnviz-player][data-ready=true]"
# picture → address, light, and what has to be there before it is taken
PICTURES = {
    "race-light": ("/?step=60", "light", PLAYER),
    "race-dark": ("/?step=60", "dark", PLAYER),
    "lesson": ("/lessons?of=what-damping-protects-from&at=4", "light", PLAYER),
    "damping": ("/damping?step=40", "light", PLAYER),
    "krylov": ("/krylov?step=20", "dark", PLAYER),
    "autoencoder": ("/autoencoder?step=300", "light", PLAYER),
    "function": ("/function", "dark", PLAYER),
    "atlas": ("/atlas", "light", ".qnviz-map-title"),
    "complex-step": ("/complex_step", "light", ".js-plotly-plot"),
    "methods": ("/methods?of=curveball", "light", ".katex"),
}


def take(page: Page, name: str, address: str, needed: str) -> None:
    """One page as a small picture."""
    page.goto(address)
    page.wait_for_selector(needed, timeout=120_000)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')",
                           timeout=120_000)
    page.wait_for_timeout(1500)                # fonts and Plotly's last frame
    file = HERE / f"{name}.png"
    page.screenshot(path=file)
    # without loss: a palette would mix the colours by which methods are known
    Image.open(file).convert("RGB").save(file, optimize=True)


if __name__ == "__main__":
    with server("app.py") as (base, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        for name, (path, scheme, needed) in PICTURES.items():
            context = browser.new_context(viewport=SIZE, color_scheme=scheme)
            take(context.new_page(), name, base + path, needed)
            context.close()
        browser.close()
