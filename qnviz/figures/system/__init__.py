"""What a lab takes apart: one Newton system, a derivative, the spectrum of a Hessian."""
