"""The scoreboard: methods tuned alike on declared grids, and the table that it is compared with."""

# the rows of the table that the board is compared with, in its order
MAIN = ("sgd", "adam", "lm", "bfgs", "newton", "newton_krylov", "curveball_10", "curveball_1",
        "curveball_0.1", "kbfgs")
