"""Training treatments: ways to teach a symmetry while a model is trained."""
