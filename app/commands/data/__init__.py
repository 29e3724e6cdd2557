"""Import, export and sample data."""
