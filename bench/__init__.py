"""How fast the service is: against others on the same tables, and by itself as things grow."""
