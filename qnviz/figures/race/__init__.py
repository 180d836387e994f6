"""Pictures of a race: one file each, drawn under one playhead."""
