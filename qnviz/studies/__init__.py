"""One step taken apart: a Newton system, a quasi-Newton update, a derivative, a spectrum."""
