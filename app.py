"""qnviz in a browser: `streamlit run app.py`. The pages are listed in qnviz/ui/site.py.

The script that Streamlit runs lies apart from `pages/` on purpose: beside that folder, a fresh
server would treat a deep link as one of the old multipage apps, and run the page without its frame.
"""

import streamlit as st

from qnviz.ui.server import ROUTES, warm

app = st.App("qnviz/ui/site.py", routes=ROUTES, lifespan=warm)
