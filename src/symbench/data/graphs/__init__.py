"""Graphs: links of near copies and communities of block models, from Laplacian eigenvectors."""
