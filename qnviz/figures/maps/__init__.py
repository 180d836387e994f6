"""Many runs in one picture: maps of cells, with their words, and the scoreboard."""
