"""What people type (YAML, overrides, environment) and how it becomes a wired engine."""
