"""What readers ask the projections."""
