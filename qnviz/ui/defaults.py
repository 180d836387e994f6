"""The states in which pages open, and the presets they offer."""

from qnviz.ui.settings import Settings

# α from a grid of six, by steps to 1e-4 from the classic start at ε = 1; λ is the paper's demo's.
# The demo's own α = 0.3 is for a batch mean over pixels: here its first step leaves the valley.
KBFGS = {"lr": 0.05, "lam": 0.3}
RACERS = {"kbfgs": KBFGS, "kbfgs_l": KBFGS, "curveball": {}, "newton_krylov": {},
          "adam": {}, "sgd": {}}

ROSENBROCK = {"name": "rosenbrock"}
TUNED = {"kbfgs": KBFGS, "kbfgs_l": KBFGS}
RACE = Settings(ROSENBROCK, RACERS, tuned=TUNED)
NOISY = {"lr": 0.1, "lam": 0.3}
THREE_DAMPINGS = {"kbfgs": NOISY, "kbfgs~2": NOISY | {"damping": "powell"},
                  "kbfgs~3": NOISY | {"damping": "none"}}
# under noise, from CurveBall's own start: the undamped twin is wrecked by a few bad pairs
LAB = Settings(ROSENBROCK | {"noise": 1.0, "start": [-0.25, -0.25]},
               THREE_DAMPINGS | {"curveball": {}, "newton_krylov": {}}, tuned=TUNED)
NEWTONS = {"newton": {}, "newton_krylov": {}, "levenberg_marquardt": {}, "curveball": {},
           "scipy_newton_cg": {}, "scipy_trust_krylov": {}}
QUASI = {"bfgs": {}, "lbfgs": {}, "scipy_bfgs": {}, "kbfgs": KBFGS, "kbfgs_l": KBFGS}
FIRST_ORDER = {"sgd": {}, "nesterov": {}, "adam": {}, "rmsprop": {}, "curveball": {}}
