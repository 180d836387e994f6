"""An error that nobody foresaw: its traceback for the log, a sentence for the visitor."""

from __future__ import annotations

import logging

import streamlit as st

LOG = logging.getLogger(__name__)
SENTENCE = ("Something went wrong here that this page was not prepared for. What it was stands in "
            "the server's log. Loading the page again, or changing a setting, may help.")


def reported(error: Exception) -> bool:
    """Log an error and tell the visitor; True, as nothing else is to be shown of it."""
    LOG.error("A page met an error.", exc_info=error)
    st.error(SENTENCE)
    return True
