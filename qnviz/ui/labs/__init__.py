"""Labs: a race under one playhead, and what each page shows beside it."""
