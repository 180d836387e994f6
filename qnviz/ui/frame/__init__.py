"""What stands around all pages: the server, its headers, the list of pages, the theme."""
