"""Maps: what a cell says, how it is drawn, what it says in words."""
