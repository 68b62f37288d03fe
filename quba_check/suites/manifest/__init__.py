"""Suite manifests: schema, reading, editing."""
