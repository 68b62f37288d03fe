"""The report page: one HTML file from records and a population."""
