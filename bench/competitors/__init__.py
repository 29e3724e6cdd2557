"""The same operations on the same tables, written in other ways, to compare the service with."""
