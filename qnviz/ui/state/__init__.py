"""A visitor's state: settings, the widgets that show them, the address that carries them."""
