"""qnviz in a browser: `streamlit run app.py`. The pages are listed in qnviz/ui/frame/site.py.

The script that Streamlit runs lies apart from `pages/` on purpose: beside that folder, a fresh
server would treat a deep link as one of the old multipage apps, and run the page without its frame.
"""

import sys

import streamlit as st
from starlette.middleware import Middleware

from qnviz import environment
from qnviz.errors import SettingError
from qnviz.ui.frame.errors import reported
from qnviz.ui.frame.headers import Headers
from qnviz.ui.frame.server import ROUTES, Early, warm

try:
    environment.check()
except SettingError as error:
    sys.exit(f"qnviz: {error}")

app = st.App("qnviz/ui/frame/site.py", routes=ROUTES, lifespan=warm, on_script_error=reported,
             middleware=[Middleware(Early),
                         Middleware(Headers, frames=environment.value("QNVIZ_FRAMES"))])
