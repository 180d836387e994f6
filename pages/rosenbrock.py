from qnviz.ui.labs.stage import opened

stage = opened("rosenbrock")

from qnviz.ui.labs.lab import lab, preset  # noqa: E402
from qnviz.ui.labs.state import Lab  # noqa: E402
from qnviz.ui.state import defaults  # noqa: E402  torch comes with it: after the first picture

LAB = defaults.LAB
lab(stage, Lab({LAB.problem["name"]: LAB}, {
    "Three dampings under noise ε ~ U[0, 1]": LAB,
    "Three dampings without noise": preset(LAB, problem={"noise": 0.0}),
    "Strong noise ε ~ U[0, 3]": preset(LAB, problem={"noise": 3.0}),
    "From the classic start (−1.2, 1)": preset(LAB, problem={"start": [-1.2, 1.0]}),
    "CurveBall at λ₀ = 10, 1, 0.1": preset(LAB, entrants={
        "curveball": {"lam": 10.0}, "curveball~2": {}, "curveball~3": {"lam": 0.1}}),
    "Newton-Krylov at η = 0.1 and 1e−6": preset(LAB, entrants={
        "newton_krylov": {}, "newton_krylov~2": {"eta": 1e-6}}),
    "Curvature by Hessian or Gauss-Newton": preset(LAB, entrants={
        "newton_krylov": {}, "newton_krylov~2": {"curvature": "gauss_newton"}}),
}))
