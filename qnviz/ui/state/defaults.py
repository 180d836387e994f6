"""The states in which pages open, and the presets they offer."""

from typing import Any

from qnviz.problems.typed import CLASSICS
from qnviz.ui.state.settings import Settings

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

LINEAR_NET = {"name": "linear_net"}
LINEAR = Settings(LINEAR_NET, {
    "kbfgs": {"lr": 0.1, "lam": 0.1}, "curveball": {}, "newton_krylov": {},
    "levenberg_marquardt": {}, "bfgs": {}, "adam": {"lr": 0.02}},
    tuned={"kbfgs_l": {"lr": 0.1, "lam": 0.1}, "sgd": {"lr": 0.002}})
LINEAR_KBFGS = {"lr": 0.1, "lam": 0.1}
LINEAR_DAMPINGS = {"kbfgs": LINEAR_KBFGS, "kbfgs~2": LINEAR_KBFGS | {"damping": "powell"},
                   "kbfgs~3": LINEAR_KBFGS | {"damping": "none"}}
LINEAR_EXTREMES = {"sgd": {"lr": 0.002}, "adam": {"lr": 0.02}, "newton": {},
                   "levenberg_marquardt": {}}

DIGITS = {"name": "autoencoder"}
IMAGES_KBFGS = {"lr": 0.2, "lam": 0.1}
# from the grids of benchmarks/autoencoder.py, rounded to the calmer side
IMAGES_TUNED = {"kbfgs": IMAGES_KBFGS, "kbfgs_l": IMAGES_KBFGS, "kfac": {"lr": 0.5, "lam": 0.5},
                "curveball": {"lam": 5.0}, "adam": {"lr": 0.01}, "sgd": {"lr": 0.01},
                "newton_krylov": {"budget": 10}}
IMAGES = Settings(DIGITS, {e: IMAGES_TUNED.get(e, {}) for e in (
    "kbfgs", "kbfgs_l", "kfac", "curveball", "adam", "sgd")}, stop_loss=0.0, tuned=IMAGES_TUNED)
# the lab in which a problem opens
LABS = {"rosenbrock": LAB, "linear_net": LINEAR, "autoencoder": IMAGES}
IMAGES_DAMPINGS = {"kbfgs": IMAGES_KBFGS, "kbfgs~2": IMAGES_KBFGS | {"damping": "powell"},
                   "kbfgs~3": IMAGES_KBFGS | {"damping": "none"}}
IMAGES_KRYLOV = {"newton_krylov": {"budget": 10, "lam": 0.1},
                 "newton_krylov~2": {"budget": 10, "lam": 0.1, "curvature": "gauss_newton"}}
IMAGES_FIRST_ORDER = {"sgd": {"lr": 0.01}, "nesterov": {"lr": 0.01}, "adam": {"lr": 5e-3},
                      "rmsprop": {"lr": 2e-3}, "curveball": {}}

# α and λ by steps to the minimum from each classic's start; on plain functions, whose Gauss-Newton
# matrix is 0, CurveBall looks at the Hessian and needs more damping against its negative side; so
# it does in the opening state, as settings stay when a visitor types a function
TYPED = {"himmelblau": {"kbfgs": {"lr": 0.2, "lam": 0.3}, "adam": {"lr": 0.1},
                        "curveball": {"curvature": "hessian", "lam": 50.0}},
         "beale": {"kbfgs": {"lr": 0.1, "lam": 0.3}, "adam": {"lr": 0.3}},
         "booth": {"kbfgs": {"lr": 0.2, "lam": 0.3}, "adam": {"lr": 1.0}, "newton": {"lam": 0.0}},
         "styblinski_tang": {"kbfgs": {"lr": 0.05, "lam": 0.3}, "adam": {"lr": 0.1},
                             "curveball": {"curvature": "hessian", "lam": 100.0}},
         "goldstein_price": {"kbfgs": {"lr": 3e-3, "lam": 0.3}, "adam": {"lr": 0.1},
                             "curveball": {"curvature": "hessian", "lam": 100.0}},
         "saddle": {"kbfgs": {"lr": 0.1, "lam": 0.3}, "adam": {"lr": 0.03},
                    "curveball": {"curvature": "hessian", "lam": 10.0}},
         "narrow": {"kbfgs": {"lr": 0.05, "lam": 0.3}, "adam": {"lr": 0.3}}}
TYPED_RACERS = ("kbfgs", "curveball", "newton_krylov", "bfgs", "newton", "adam")


def classic(name: str) -> Settings:
    """A classic test function with methods that suit it."""
    c, suits = CLASSICS[name], TYPED[name]
    problem = {"name": "function", "f": c.f, "start": list(c.start)}
    return Settings(problem, {e: suits.get(e, {}) for e in TYPED_RACERS},
                    tuned=suits | {"kbfgs_l": suits["kbfgs"], "sgd": {"lr": 1e-3}})


FUNCTION = classic("himmelblau")
# where the run of a map's cell opens
HOMES = LABS | {"function": FUNCTION}


def suited(problem: dict[str, Any]) -> Settings:
    """The settings that suit a problem: its lab's, or those of the classic function that it is."""
    for name, c in CLASSICS.items():
        if problem.get("f") == c.f:
            return classic(name)
    return HOMES[problem["name"]]


CHAIN = {"kbfgs": {"lr": 0.02, "lam": 0.1}, "adam": {"lr": 0.3}}
ROSENBROCK_N = Settings({"name": "rosenbrock_n"}, {e: CHAIN.get(e, {}) for e in TYPED_RACERS},
                        tuned=CHAIN | {"kbfgs_l": CHAIN["kbfgs"], "sgd": {"lr": 3e-4}})
