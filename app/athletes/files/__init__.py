"""CSV files of athletes: their columns, import and export."""
