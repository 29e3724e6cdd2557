"""Other implementations of the same operations on the same tables, for the comparison."""
