"""Lessons: files of text and page states, and the page that walks through them."""
