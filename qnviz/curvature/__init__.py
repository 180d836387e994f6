"""Curvature: damping, secant pairs, Krylov iterations, Hessian-vector products, spectra."""
