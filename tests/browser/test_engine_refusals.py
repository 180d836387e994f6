"""What the browser's engine does with descriptions that make no sense, and where it may run."""

from __future__ import annotations

import gzip
import random
import re
from typing import Any

from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from qnviz.sweeps.spec import parse_sweep
from qnviz.web import ENGINE, bundle
from tests.browser.engine import opened
from tests.browser.engine_cases import TEXTS, TWINS
from tests.browser.modules import IMPORT

MOST_BYTES = 60_000                  # of the engine with all methods, compressed
CASES = 10_000
JUNK: list[Any] = [
    None, True, False, "", "x", "kbfgs", "0.5", -1, 0, 1, 2, 0.5, -0.5, 1e-320, 1e308, -1e308,
    20000, 2**31, 2**53, 1e21, [], [1], [0, 1, 2], [[]], {}, {"name": "sgd"}, {"length": 1e9},
    "__proto__", "constructor", "toString", "start.0", "lr", "even_power", "add", "variable"]


def bases() -> list[Any]:
    """Valid races and sweeps, from which others are made."""
    methods = [{"name": name} for name in TWINS]
    rosenbrock = {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.1}
    plane = {"x": {"field": "start.0", "from": -2, "to": 2, "points": 6},
             "y": {"field": "lr", "from": 0.1, "to": 1, "points": 3, "scale": "log"}, "seeds": 2}
    short = {"steps": 20, "stop_grad": 1e-6}
    races = [parse({"problem": rosenbrock, "methods": methods, **short}),
             *(parse({"problem": rosenbrock, "methods": [m], **short, "runs": 2}) for m in methods),
             *(parse({"problem": {"name": "function", "f": f, "start": (0.7, 0.6)}, **short,
                      "methods": [{"name": "bfgs"}, {"name": "kbfgs"}]})
               for f, _ in TEXTS.values()),
             parse({"problem": rosenbrock, "methods": [{"name": "kbfgs"}], **short,
                    "fork": {"method": {"name": "kbfgs", "lr": 0.2}, "step": 3}})]
    sweeps = [parse_sweep({"problem": rosenbrock, "methods": [{"name": "kbfgs"}], **short,
                           "sweep": plane}),
              parse_sweep({"problem": {"name": "function"}, "methods": [{"name": "lbfgs"}], **short,
                           "sweep": {"x": {"field": "memory", "from": 1, "to": 9, "points": 5}}})]
    return [portable(spec) for spec in (*races, *sweeps)]


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a tree of JSON."""
    found = [path] if path else []
    parts = (tree.items() if isinstance(tree, dict)
             else enumerate(tree) if isinstance(tree, list) else ())
    for name, part in parts:
        found += places(part, (*path, name))
    return found


def edits(rng: random.Random, tree: Any) -> list[Any]:
    """One to three parts that are missing, or something else."""
    known = [path for path in places(tree) if "steps" not in path[:-1] or rng.random() < 0.1]
    found: list[Any] = []
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(known)
        found.append([path] if rng.random() < 0.25 else [path, rng.choice(JUNK)])
    return found


TRIED = """([bases, cases]) => {
  const faults = [], sentences = new Set();
  let refused = 0, slow = 0;
  for (const [base, edits] of cases) {
    let spec = structuredClone(bases[base]);
    for (const [path, ...value] of edits) {
      let at = spec;
      for (const name of path.slice(0, -1)) at = at?.[name];
      const last = path.at(-1);
      if (typeof at !== 'object' || at === null) continue;
      if (value.length) at[last] = value[0];
      else if (Array.isArray(at)) at.splice(last, 1);
      else delete at[last];
    }
    const began = performance.now();
    const tried = (work) => {
      try { work(); return true } catch (error) {
        if (error instanceof m.EngineError) sentences.add(error.message);
        else faults.push([String(error.stack).slice(0, 300), base, edits]);
        return false;
      }
    };
    const why = tried(() => {
      const why = m.unable(spec);
      if (why !== null) sentences.add(why);
    });
    const raced = tried(() => {
      const race = new m.Race(spec);
      for (let i = 0; i < 3 && !race.advance(2); i++);
      race.results();
    });
    const mapped = tried(() => {
      const grid = new m.Grid(spec);
      for (let i = 0; i < 3 && !grid.advance(2); i++);
    });
    if (!raced && !mapped) refused += 1;
    if (performance.now() - began > 2000) slow += 1;
  }
  return {faults, sentences: [...sentences], refused, slow};
}"""


def test_nonsense_is_refused_in_sentences(page: Any) -> None:
    """10,000 descriptions with missing, wrong, huge and cyclic parts; nothing else is thrown."""
    rng, known = random.Random(8), bases()
    cases = [(base := rng.randrange(len(known)), edits(rng, known[base])) for _ in range(CASES)]
    opened(page)
    sentences: set[str] = set()
    refused = slow = 0
    for first in range(0, CASES, 2000):
        found = page.evaluate(TRIED, [known, cases[first:first + 2000]])
        assert not found["faults"], found["faults"][:5]
        sentences |= set(found["sentences"])
        refused += found["refused"]
        slow += found["slow"]
    wrong = [s for s in sentences if not re.fullmatch(r"[A-Za-z].*[.]", s)
             or re.search(r"undefined|\[object|NaN|null", s)]
    assert not wrong, wrong
    assert refused > CASES / 5
    assert not slow


def test_a_long_race_is_cut_into_slices(page: Any) -> None:
    """However long a race is, a slice looks at the clock again and again."""
    spec = portable(parse({"problem": {"name": "rosenbrock", "noise": 1.0}, "steps": 10_000,
                           "runs": 4, "methods": [{"name": "kbfgs", "lr": 1e-4},
                                                  {"name": "newton_krylov"}]}))
    assert opened(page).evaluate("""(spec) => {
      const race = new m.Race(spec), seen = [];
      let slices = 0;
      while (!race.advance(0)) {
        slices += 1;
        if (slices % 100 === 0) seen.push(race.results().length);
      }
      const whole = m.race(spec);
      return slices > 500 && seen[0] === 1 && race.results().every(({columns}, i) =>
        Object.entries(columns).every(([name, {data}]) =>
          data.every((value, j) => Object.is(value, whole[i].columns[name].data[j]))));
    }""", spec)


def test_many_short_runs_are_cut_into_slices_too(page: Any) -> None:
    """Runs that end before a slice would, and their noise, which is drawn as they need it."""
    spec = portable(parse({"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.5},
                           "methods": [{"name": "sgd"}], "runs": 3000, "steps": 12}))
    slices, drawn = opened(page).evaluate("""(spec) => {
      const race = new m.Race(spec);
      race.advance(0);
      const drawn = race.results()[0].columns.theta.data.filter((value) => value !== 0).length;
      let slices = 1;
      while (!race.advance(0)) slices += 1;
      return [slices, drawn];
    }""", spec)
    assert slices > 300
    assert 0 < drawn < 3000


def test_the_engine_is_small() -> None:
    """As it is sent, with all methods."""
    assert len(gzip.compress(bundle(ENGINE).encode(), 9)) <= MOST_BYTES


def test_a_worker_computes_the_same(page: Any) -> None:
    """A module in a worker of its own, with noise and random starts."""
    spec = portable(parse({"problem": {"name": "rosenbrock", "noise": 1.0, "start_noise": 0.2},
                           "methods": [{"name": name} for name in TWINS], "steps": 50, "runs": 2}))
    text = bundle(ENGINE) + "\nself.onmessage = ({data}) => self.postMessage(race(data));"
    # an empty page has no origin, and then no modules in workers
    page.route("https://engine.test/", lambda route: route.fulfill(content_type="text/html"))
    page.goto("https://engine.test/")
    page.evaluate(IMPORT, [bundle(ENGINE)])
    assert page.evaluate("""async ([text, spec]) => {
      const url = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
      const worker = new Worker(url, {type: 'module'});
      const theirs = await new Promise((resolve, reject) => {
        worker.onmessage = ({data}) => resolve(data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(spec);
      });
      worker.terminate();
      return m.race(spec).every((mine, i) => Object.entries(mine.columns).every(
        ([name, {data}]) => data.every((v, j) => Object.is(v, theirs[i].columns[name].data[j]))));
    }""", [text, spec])
