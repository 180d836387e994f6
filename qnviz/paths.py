"""Where the folders lie that come with the project, beside this package."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSETS, LESSONS, PAGES = ROOT / "assets", ROOT / "lessons", ROOT / "pages"
