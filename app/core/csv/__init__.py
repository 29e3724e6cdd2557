"""CSV files: read row by row, and sent or received as bodies."""
