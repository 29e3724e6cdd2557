"""The benchmark: the service compared with other servers on the same tables, and as data grow."""
