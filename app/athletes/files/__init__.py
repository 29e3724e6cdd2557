"""Athletes in CSV files: what stands in which column, reading a file in, and writing one."""
