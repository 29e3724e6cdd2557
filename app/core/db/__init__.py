"""PostgreSQL: the connection pool, transactions, statements and constraint errors."""
