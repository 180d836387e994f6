"""What is minimised: layered maps, their derivatives by hand, and their data."""
