"""Agent definition files: found, read with tolerance, and told about."""
