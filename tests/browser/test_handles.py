"""Settings at the chips in a real browser: dragged, stepped by keys, typed, chosen, taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qnviz.methods.registry import METHODS
from qnviz.ui.labs.handles import handles
from qnviz.ui.state.settings import Settings
from tests.browser.modules import imported
from tests.browser.navigation import query, resized, sideways, whole
from tests.browser.test_accessibility import settled, violations
from tests.browser.test_pages import AT_REST, data_id, frame, opened, until_changed

RACE = "?m=kbfgs,adam&steps=40&step=7"


def settings_of(page: Any, name: str) -> Any:
    """Open an entrant's settings."""
    page.get_by_role("button", name=f"Settings of {name}", exact=True).click()
    row = page.get_by_role("group", name=f"Settings of {name}", exact=True)
    row.wait_for()
    return row


def slider(page: Any, name: str) -> Any:
    return page.get_by_role("slider", name=name, exact=True)


def typed(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=f"{name}, typed", exact=True)


def grab(page: Any, name: str) -> tuple[float, float, float]:
    """Press the button on a slider's thumb; gives its left end, width and height on the page."""
    box = slider(page, name).bounding_box()
    part = float(slider(page, name).evaluate("(s) => s.value / s.max"))
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 7 + part * (box["width"] - 14), y)
    page.mouse.down()
    return box["x"], box["width"], y


def places(page: Any) -> list[dict[str, float]]:
    """Where everything stands that a drag must not move."""
    return [page.locator(place).first.bounding_box() for place in (
        "[data-panel=path]", "[data-panel=loss]", ".qnviz-bar", ".qnviz-settings", ".qnviz-words")]


# --- values and places ----------------------------------------------------------------------------

CHECK = """(fields) => fields.flatMap((f) => {
  const wrong = [];
  const say = (what, ...got) => wrong.push([f.name, what, ...got].join(' '));
  const inside = (v) => v >= f.first && v <= f.last && (f.kind !== 'int' || Number.isInteger(v));
  if (m.valueAt(f, 0) !== f.first || m.valueAt(f, m.PLACES) !== f.last) say('ends');
  let before = -Infinity;
  for (let place = 0; place <= m.PLACES; place++) {
    const value = m.valueAt(f, place);
    if (!inside(value) || value < before) say('value at', place, value);
    const back = m.placeOf(f, value);
    const step = f.log ? 10 : Math.max(2, 0.51 * m.PLACES * f.step / (f.last - f.first));
    if (Math.abs(back - place) > step) say('place of', value, back, place);
    if (m.read(f, m.written(value)) !== value) say('written', value, m.written(value));
    before = value;
  }
  for (const fine of [false, true]) {
    for (const [key, way] of [['ArrowRight', 1], ['PageUp', 1], ['ArrowDown', -1]]) {
      let value = way > 0 ? f.first : f.last;
      for (let k = 0; k < 20; k++) {
        const next = m.nudged(f, value, key, fine);
        if (!inside(next) || way * (next - value) < 0) say(key, value, next);
        if (next === value && next !== (way > 0 ? f.last : f.first)) say(key, 'stays', value);
        value = next;
      }
    }
    if (m.nudged(f, f.value, 'Home', fine) !== f.first) say('Home');
    if (m.nudged(f, f.value, 'End', fine) !== f.last) say('End');
    if (m.nudged(f, f.value, 'a', fine) !== null) say('a');
  }
  for (const text of ['', 'x', '1,2', '0x10', '1e', 'Infinity', 'NaN', '1 2', '--1', '1e400']) {
    if (m.read(f, text) !== null) say('reads', text);
  }
  for (const [end, open, way] of [[f.low, f.low_open, -1], [f.high, f.high_open, 1]]) {
    if (end === null) continue;
    if ((m.read(f, String(end)) === null) !== open) say('end', end);
    if (m.read(f, String(end + way)) !== null) say('beyond', end + way);
  }
  if (f.kind === 'int' && m.read(f, '1.5') !== null) say('half');
  return wrong;
})"""


def test_sliders_keys_and_texts_agree_on_every_setting(page: Any) -> None:
    """Values come in order along each slider, and are read as they are written."""
    imported(page, "scale.js")
    fields = {}
    for problem in ("rosenbrock", "linear_net", "autoencoder", "function"):
        sent = handles(Settings({"name": problem}, {name: {} for name in METHODS}))
        for field in [*sent["run"], *(f for e in sent["entrants"] for f in e["fields"])]:
            if field["kind"] != "choice":
                fields[str(field)] = field
    assert len(fields) > 25
    assert page.evaluate(CHECK, list(fields.values())) == []


@pytest.mark.parametrize(("value", "keys", "there"), [
    (1.0, ["ArrowRight"], 2.0), (1.0, ["ArrowLeft"], 0.5), (0.3, ["ArrowUp"], 0.5),
    (0.3, ["ArrowDown"], 0.2), (1.0, ["PageDown"], 0.1), (0.3, ["Shift+ArrowUp"], 0.31),
    (1.0, ["Shift+ArrowRight"], 1.05), (1.0, ["Shift+ArrowLeft"], 0.99),
    (1.0, ["ArrowRight"] * 3, 10.0)])
def test_keys_step_by_round_numbers_on_a_log_scale(value: float, keys: list[str], there: float,
                                                   page: Any) -> None:
    imported(page, "scale.js")
    field = handles(Settings({"name": "rosenbrock"}, {"adam": {"lr": 1.0}}))["entrants"][0][
        "fields"][0] | {"first": 1e-3, "last": 10.0}
    for key in keys:
        value = page.evaluate("([f, v, key, fine]) => m.nudged(f, v, key, fine)",
                              [field, value, key.rpartition("+")[2], "Shift" in key])
    assert value == there


GROWING = """async (handles) => {
  window.QnvizPlotly = {};  // no panels, so nothing of it is used
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const root = document.body.appendChild(document.createElement('div'));
  const edits = [];
  const frames = [0, 1, 2];
  const entrants = handles.entrants.map(({label}) => ({label, title: label, color: '#000',
    dash: 'solid', marker: 'circle', clock: frames, loss: frames}));
  const payload = {id: 'a', entrants, panels: [], rows: [['@words']], handles,
                   clock: {label: 'step', frames}};
  const player = new m.Player(root, payload, {onEdit: (edit) => edits.push(edit)});
  await pause(50);
  const before = [...root.querySelectorAll('.qnviz-tune')];
  before[0].click();
  const [slider] = root.querySelectorAll('.qnviz-settings .qnviz-slider');
  const [text] = root.querySelectorAll('.qnviz-handle-text');
  const arrives = async (value) => {
    const next = structuredClone(handles);
    next.entrants[0].fields[0].value = value;
    await player.update({...payload, id: String(value), handles: next});
    return text.value;
  };
  const seen = [text.value, await arrives(0.2)];
  slider.value = 300;
  slider.dispatchEvent(new Event('input'));
  seen.push(text.value, await arrives(0.4));   // in the hand
  slider.dispatchEvent(new Event('change'));
  seen.push(await arrives(0.5));               // a payload that was made before the report
  seen.push(await arrives(10), await arrives(0.7));
  const kept = [...root.querySelectorAll('.qnviz-tune')].every((b, k) => b === before[k])
    && root.contains(slider);
  player.destroy();
  return [seen, edits, kept];
}"""


def test_payloads_that_arrive_do_not_take_a_setting_out_of_the_hand(page: Any) -> None:
    """A growing run brings one at any time; what is reported stands until it has come back."""
    imported(page, "player/player.js")
    sent = handles(Settings({"name": "rosenbrock"}, {"adam": {"lr": 0.1}, "sgd": {}}))
    seen, edits, kept = page.evaluate(GROWING, sent)
    assert seen == ["0.1", "0.2", "10", "10", "10", "10", "0.7"]
    assert [edit["entrants"] for edit in edits] == [{"Adam": {"lr": 10}}]
    assert kept, "buttons and sliders are the same elements"


# --- in the app -----------------------------------------------------------------------------------

def test_a_drag_moves_nothing_and_is_one_change(app_url: str, page: Any) -> None:
    """While the button is down nothing is reported; the run and the address follow once."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    before = page.locator("[data-panel=path]").bounding_box()
    row = settings_of(page, "K-BFGS")
    assert row.bounding_box()["y"] + row.bounding_box()["height"] <= page.locator(
        "[data-panel=path]").bounding_box()["y"]
    assert page.locator("[data-panel=path]").bounding_box()["height"] == before["height"]
    stood, old, entries = places(page), data_id(page), page.evaluate("history.length")
    address = page.url
    left, width, y = grab(page, "α lr")
    seen = set()
    for k in range(12):
        page.mouse.move(left + (0.4 + 0.03 * k) * width, y)
        seen.add(typed(page, "α lr").input_value())
        assert places(page) == stood
    page.wait_for_timeout(400)
    assert (page.url, data_id(page)) == (address, old)
    assert len(seen) > 8
    page.mouse.up()
    until_changed(page, old)
    value = typed(page, "α lr").input_value()
    assert query(page) == {"m": "kbfgs,adam", "steps": "40", "step": "7", "kbfgs.lr": value}
    assert page.evaluate("history.length") == entries + 1
    assert places(page) == stood
    assert frame(page) == 7
    old = data_id(page)
    page.evaluate("history.back()")
    until_changed(page, old)
    assert "kbfgs.lr" not in query(page)
    assert slider(page, "α lr").get_attribute("aria-valuetext") == "0.1"
    whole(page)


def test_keys_on_a_slider_are_one_change_when_they_rest(app_url: str, page: Any) -> None:
    """They do not move the playhead; Escape takes back, and a second time closes the row."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    settings_of(page, "K-BFGS")
    old, entries = data_id(page), page.evaluate("history.length")
    handle = slider(page, "λ lam")
    handle.focus()
    assert page.locator(".qnviz-note").first.inner_text().startswith("Damping")
    for key in ("ArrowRight", "ArrowRight", "Home", "ArrowUp"):
        handle.press(key)
    assert handle.get_attribute("aria-valuetext") == "5.0e−4"
    handle.press("Escape")
    assert handle.get_attribute("aria-valuetext") == "0.3"
    page.wait_for_timeout(400)
    assert data_id(page) == old
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight"):
        handle.press(key)
    until_changed(page, old)
    assert query(page)["kbfgs.lam"] == "0.5"
    assert page.evaluate("history.length") == entries + 1
    assert frame(page) == 7
    assert handle.evaluate("(e) => e === document.activeElement")
    handle.press("Escape")
    handle.wait_for(state="detached")
    button = page.get_by_role("button", name="Settings of K-BFGS")
    assert button.evaluate("(e) => e === document.activeElement")
    assert button.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowRight")
    assert frame(page) == 8
    whole(page)


def test_escape_in_a_drag_takes_it_back(app_url: str, page: Any) -> None:
    """Also for what the pointer does until it is lifted."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    settings_of(page, "K-BFGS")
    old = data_id(page)
    left, width, y = grab(page, "α lr")
    page.mouse.move(left + 0.8 * width, y)
    assert typed(page, "α lr").input_value() != "0.1"
    page.keyboard.press("Escape")
    page.mouse.move(left + 0.9 * width, y)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert slider(page, "α lr").get_attribute("aria-valuetext") == "0.1"
    assert data_id(page) == old
    assert "kbfgs.lr" not in query(page)


def test_a_value_is_typed_exactly_and_a_wrong_one_is_named(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/rosenbrock{RACE}")
    row = settings_of(page, "K-BFGS")
    old, box = data_id(page), typed(page, "λ lam")
    box.fill("0.123456789")
    box.press("Enter")
    until_changed(page, old)
    assert query(page)["kbfgs.lam"] == "0.123456789"
    box.blur()
    assert box.input_value() == "0.12346"
    box.focus()
    assert box.input_value() == "0.123456789", "nothing is lost by looking at it"
    box.blur()
    old = data_id(page)
    for wrong in ("1", "abc", "-0.5"):
        box.fill(wrong)
        box.press("Enter")
        alert = row.get_by_role("alert")
        assert alert.inner_text() == "lam must be a number, 0 < lam < 1."
        assert box.get_attribute("aria-invalid") == "true"
        assert (box.input_value(), data_id(page)) == (wrong, old)
    box.press("Escape")
    assert alert.count() == 0
    assert box.input_value() == "0.123456789"
    box.fill("0.95")                           # beyond the slider's end
    box.press("Enter")
    until_changed(page, old)
    assert query(page)["kbfgs.lam"] == "0.95"
    assert slider(page, "λ lam").input_value() == "300"
    whole(page)


def test_noise_seed_and_steps_are_changed_beside_the_methods(app_url: str, page: Any) -> None:
    """The row of the problem's controls follows; only one row is open at a time."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    settings_of(page, "Adam")
    settings_of(page, "the run")
    assert page.locator(".qnviz-settings").count() == 1
    old = data_id(page)
    slider(page, "s noise").press("Home")
    until_changed(page, old)
    assert query(page)["noise"] == "0"
    for name, field, value in (("seed", "seed", "1,234"), ("steps", "steps", "21")):
        old = data_id(page)
        typed(page, name).fill(value)
        typed(page, name).press("Enter")
        until_changed(page, old)
        assert query(page)[field] == value.replace(",", "")
    page.wait_for_function("document.querySelector('input[aria-label=seed]').value === '1234'")
    assert page.get_by_role("slider", name="Playhead").get_attribute("max") == "21"
    whole(page)


def test_several_settings_in_a_row_are_all_kept(app_url: str, page: Any) -> None:
    """Also where one is changed before the run of the one before has come."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    settings_of(page, "K-BFGS")
    for name in ("α lr", "λ lam", "β momentum"):
        slider(page, name).press("ArrowLeft")
        page.wait_for_timeout(280)
    shown = {"α lr": "0.05", "λ lam": "0.2", "β momentum": "0.89"}
    for _ in range(12):                        # nothing jumps back meanwhile
        page.wait_for_timeout(100)
        assert {n: slider(page, n).get_attribute("aria-valuetext") for n in shown} == shown
    page.wait_for_function(AT_REST)
    assert query(page) == {"m": "kbfgs,adam", "steps": "40", "step": "7", "kbfgs.lr": "0.05",
                           "kbfgs.lam": "0.2", "kbfgs.momentum": "0.89"}


def test_twins_change_their_names_while_they_are_tuned(app_url: str, page: Any) -> None:
    """A row stays open, and a second key is for the entrant that had the first one."""
    opened(page, f"{app_url}/?m=kbfgs,kbfgs~2&kbfgs~2.lr=0.2&steps=40&step=3")
    settings_of(page, "K-BFGS (lr=0.2)")
    handle = slider(page, "α lr")
    handle.focus()
    for _ in range(2):
        handle.press("ArrowRight")
        page.wait_for_timeout(300)
    page.wait_for_function("location.search.includes('lr=1')")
    page.wait_for_function(AT_REST)
    page.get_by_role("group", name="Settings of K-BFGS (lr=1)", exact=True).wait_for()
    assert page.locator(".qnviz-chip").all_inner_texts() == ["K-BFGS (lr=0.05)", "K-BFGS (lr=1)"]
    assert query(page)["kbfgs~2.lr"] == "1"
    assert handle.evaluate("(e) => e === document.activeElement")
    handle.press("Home")
    handle.press("ArrowRight")
    page.get_by_role("group", name="Settings of K-BFGS (lr=0.0005)", exact=True).wait_for()
    old = data_id(page)
    page.get_by_role("button", name="Remove K-BFGS (lr=0.0005)").click()
    until_changed(page, old)
    assert page.locator(".qnviz-chip").all_inner_texts() == ["K-BFGS"]
    assert page.locator(".qnviz-settings").count() == 0
    settings_of(page, "K-BFGS")
    assert page.get_by_role("button", name="Remove").count() == 0, "the last one stays"
    assert page.locator("[data-testid=stToast]").count() == 0
    whole(page)


def test_a_method_that_sits_out_is_brought_back_by_its_settings(app_url: str, page: Any) -> None:
    """With nobody left to run there are no pictures, but settings."""
    page.goto(f"{app_url}/function?f=x^4%2By^2-x&steps=20&m=newton_krylov"
              "&newton_krylov.curvature=gauss_newton")
    page.wait_for_selector("[data-qnviz-player][data-ready=bare]", timeout=60_000)
    assert not page.get_by_role("slider", name="Playhead").is_visible()
    settings_of(page, "Newton-Krylov")
    page.get_by_label("H curvature").select_option("hessian")
    page.wait_for_selector("[data-qnviz-player][data-ready=true]")
    page.wait_for_selector("[data-panel=path] .nsewdrag")
    assert page.locator(".qnviz-chip").all_inner_texts() == ["Newton-Krylov"]
    assert "newton_krylov.curvature" not in query(page)
    # and back: the pictures give way to the message
    page.get_by_label("H curvature").select_option("gauss_newton")
    page.wait_for_selector("[data-qnviz-player][data-ready=bare]")
    assert page.get_by_label("H curvature").input_value() == "gauss_newton"
    whole(page)


def test_a_nets_settings_are_computed_by_the_server(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/linear_net?m=adam&steps=10&step=2")
    settings_of(page, "Adam")
    old = data_id(page)
    slider(page, "α lr").press("ArrowRight")
    until_changed(page, old)
    assert query(page)["adam.lr"] == "0.05"
    settings_of(page, "the run")
    assert slider(page, "κ condition").get_attribute("aria-valuetext") == "1.0e−5"
    whole(page)


def test_what_the_browser_made_up_gets_a_message_and_changes_nothing(app_url: str, page: Any
                                                                      ) -> None:
    """The page holds values to their bounds; a script that does not is answered by the server."""
    opened(page, f"{app_url}/rosenbrock{RACE}")
    settings_of(page, "K-BFGS")
    at = page.url
    page.evaluate("Number.isFinite = () => true")
    page.evaluate("""() => {
      const { toPrecision } = Number.prototype;      // what a slider's place is rounded by
      Number.prototype.toPrecision = () => '20';
      Math.min = (a, b) => b;
      const slider = document.querySelector('.qnviz-settings .qnviz-slider');
      slider.value = 150;
      slider.dispatchEvent(new Event('input'));
      slider.dispatchEvent(new Event('change'));
      Number.prototype.toPrecision = toPrecision;
    }""")
    toast = page.get_by_test_id("stToast")
    toast.wait_for()
    assert "K-BFGS: lr is 20, but must be at most 10." in toast.inner_text()
    assert page.url == at


def test_touch_moves_a_handle_and_a_phone_shows_all_of_it(
        app_url: str, new_page: Callable[..., Any]) -> None:
    page = new_page(has_touch=True, viewport={"width": 390, "height": 844})
    opened(page, f"{app_url}/rosenbrock{RACE}")
    row = settings_of(page, "K-BFGS")
    old, box = data_id(page), slider(page, "α lr").bounding_box()
    assert box["width"] > 120
    edge = row.bounding_box()
    for k in range(row.locator(".qnviz-handle").count()):
        handle = row.locator(".qnviz-handle").nth(k).bounding_box()
        assert handle["width"] > 300
        assert handle["x"] >= edge["x"]
    assert sideways(page) <= 1
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    until_changed(page, old)
    value = float(query(page)["kbfgs.lr"])
    assert 0.3 < value < 1.5
    whole(page)


def test_axe_finds_nothing_serious_in_settings(app_url: str, new_page: Callable[..., Any]) -> None:
    """With an idle field, a wrong value, and one who sits out; no page scrolls sideways."""
    page = settled(new_page(color_scheme="light"),
                   f"{app_url}/rosenbrock?noise=1&m=curveball,newton_krylov,scipy_bfgs&step=5")
    settings_of(page, "CurveBall")
    typed(page, "λ₀ lam").fill("-1")
    typed(page, "λ₀ lam").press("Enter")
    found = violations(page, "settings")
    settings_of(page, "SciPy BFGS")
    assert "no settings" in page.locator(".qnviz-note").first.inner_text()
    settings_of(page, "Newton-Krylov")
    found += violations(page, "two rows")
    resized(page, 640, 400)
    assert sideways(page) <= 1
    assert not found, "\n".join(found)


def test_settings_wait_for_the_numeric_core_in_their_places(
        serve_fresh: Callable[[str], str], page: Any) -> None:
    """On a server's first visit the chips do not move when their settings come to life."""
    page.add_init_script("""window.seen = [];
      new MutationObserver(() => {
        const tune = document.querySelector('.qnviz-tune.qnviz-tune');
        const panel = document.querySelector('[data-panel=path]');
        if (tune && panel) window.seen.push([tune.disabled, panel.getBoundingClientRect().top
          - document.querySelector('.qnviz-chips').getBoundingClientRect().top]);
      }).observe(document, {childList: true, subtree: true, attributes: true});""")
    page.goto(serve_fresh("app.py"))
    page.wait_for_function("window.seen.some(([waits]) => !waits)", timeout=60_000)
    seen = page.evaluate("window.seen")
    assert seen[0][0], "it waits at first"
    assert len({top for _, top in seen}) == 1
    settings_of(page, "K-BFGS")
    assert page.errors == []
