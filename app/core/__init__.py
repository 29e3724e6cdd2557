"""What every feature shares; it knows no feature."""
