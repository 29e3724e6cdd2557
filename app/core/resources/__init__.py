"""Code that all resources share: tables, fields, lists, JSON and CRUD."""
