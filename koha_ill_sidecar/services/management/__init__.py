"""Managing a request: what its pages show, and what each of its buttons would do."""
