"""What every resource shares: its table, fields, lists, JSON and CRUD."""
