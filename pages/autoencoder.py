from qnviz.ui.labs.stage import opened

stage = opened("autoencoder")

from qnviz.ui.labs.lab import lab, preset  # noqa: E402
from qnviz.ui.labs.state import Lab  # noqa: E402
from qnviz.ui.labs.upload import upload  # noqa: E402
from qnviz.ui.state import defaults  # noqa: E402  torch comes with it: after the first picture

IMAGES = defaults.IMAGES
lab(stage, Lab({IMAGES.problem["name"]: IMAGES}, {
    "Digits, 64-32-16-6-16-32-64": IMAGES,
    "A code of two units, to look at": preset(IMAGES, problem={"widths": "64-32-16-2-16-32-64"}),
    "Three dampings of K-BFGS": preset(IMAGES, entrants=defaults.IMAGES_DAMPINGS),
    "tanh and squared error": preset(IMAGES, problem={"activation": "tanh", "loss": "mse"}),
    "Full batch": preset(IMAGES, problem={"batch": None}),
    "Newton-Krylov with H and Gauss-Newton": preset(IMAGES, entrants=defaults.IMAGES_KRYLOV),
    "First order against CurveBall": preset(IMAGES, entrants=defaults.IMAGES_FIRST_ORDER),
}, data=upload))
