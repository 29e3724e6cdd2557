"""PostgreSQL: connections, transactions, statements, and what its constraints mean."""
