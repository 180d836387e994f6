from qnviz.ui.labs.stage import opened

stage = opened("race", first="home")

from qnviz.ui.labs.lab import lab, preset  # noqa: E402
from qnviz.ui.labs.state import Lab  # noqa: E402
from qnviz.ui.state import defaults  # noqa: E402  torch comes with it: after the first picture

RACE = defaults.RACE
lab(stage, Lab({RACE.problem["name"]: RACE}, {
    "Six methods, no noise": RACE,
    "The same with noise ε ~ U[0, 3]": preset(RACE, problem={"noise": 3.0}),
    "Three dampings of K-BFGS": preset(RACE, entrants=defaults.THREE_DAMPINGS),
    "Newton's family": preset(RACE, entrants=defaults.NEWTONS),
    "Quasi-Newton, ours and SciPy's": preset(RACE, entrants=defaults.QUASI),
    "First order against CurveBall": preset(RACE, entrants=defaults.FIRST_ORDER),
}))
