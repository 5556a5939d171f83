"""The dashboard: one module for each page, with what its template shows."""
