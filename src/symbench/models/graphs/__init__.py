"""Graphs with Laplacian eigenvectors: link prediction and node classification."""
