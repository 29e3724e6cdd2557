"""CSV files: read row by row, and sent or received as HTTP bodies."""
