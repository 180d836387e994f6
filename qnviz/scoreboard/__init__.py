"""The scoreboard: methods tuned alike on declared grids, and the table that it is compared with."""
