"""Pages of many runs: the atlas, the basins, the scoreboard."""
