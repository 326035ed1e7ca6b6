"""Whether this process and what it needs are well."""
