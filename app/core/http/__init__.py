"""HTTP: how requests come in, and how answers and errors go out."""
