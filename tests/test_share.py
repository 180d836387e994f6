"""The pages that have a state offer its link, and links survive being made readable."""

from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {",": "2C", ":": "3A", "/": "2F", "@": "40", "=": "3D", "*": "2A", "(": "28", ")": "29",
         "^": "5E", "~": "7E", "!": "21"}           # the signs of link.js


def readable(query):
    """What link.js does to a query."""
    for sign, code in PLAIN.items():
        query = query.replace(f"%{code}", sign)
    return query


def test_the_signs_are_those_of_the_script():
    text = (ROOT / "qnviz/web/share/link.js").read_text()
    assert f'Array.from("{"".join(PLAIN)}"' in text
    assert all(quote(sign, safe="") in (f"%{code}", sign) for sign, code in PLAIN.items())


@given(st.dictionaries(st.text("abc_.~12", min_size=1, max_size=8),
                       st.text(max_size=30).filter(lambda s: s.isprintable()), max_size=5))
def test_a_readable_query_says_the_same(fields):
    query = urlencode(fields)
    assert dict(parse_qsl(readable(query), keep_blank_values=True)) == fields


def test_the_readable_form_is_short():
    query = urlencode({"m": "kbfgs,kbfgs~2", "start": "-0.25,-0.25", "f": "(x^2+y-11)^2"})
    assert readable(query) == "m=kbfgs,kbfgs~2&start=-0.25,-0.25&f=(x^2%2By-11)^2"


@pytest.mark.parametrize("page", [
    "labs/lab", "labs/complex_step", "maps/page", "maps/scoreboard",
    "catalogue/methods", "lessons/page"])
def test_every_page_with_a_state_offers_its_link(page):
    text = (ROOT / f"qnviz/ui/{page}.py").read_text()
    assert text.count("share(") >= 1
    assert "from qnviz.ui.components.share import share" in text

