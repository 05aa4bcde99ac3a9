"""Training: one loop for all data and models, its saved state, and the training treatments."""
