from qnviz.ui.labs.stage import opened

stage = opened("linear_net")

from qnviz.ui.labs.lab import lab, preset  # noqa: E402
from qnviz.ui.labs.state import Lab  # noqa: E402
from qnviz.ui.state import defaults  # noqa: E402  torch comes with it: after the first picture

LINEAR = defaults.LINEAR
lab(stage, Lab({LINEAR.problem["name"]: LINEAR}, {
    "Six wide, badly conditioned": LINEAR,
    "CurveBall's setting: ten wide, small start": preset(LINEAR, problem={
        "width": 10, "init": "scaled"}),
    "Well conditioned, κ = 0.1": preset(LINEAR, problem={"condition": 0.1}),
    "Worse, κ = 1e−8": preset(LINEAR, problem={"condition": 1e-8}),
    "Mini-batches of 50": preset(LINEAR, problem={"batch": 50}),
    "Five matrices deep": preset(LINEAR, problem={"depth": 5, "init": "scaled"}),
    "First order against Newton": preset(LINEAR, entrants=defaults.LINEAR_EXTREMES),
}))
