"""Identity: accounts, their tokens, and how a request gets its caller."""
