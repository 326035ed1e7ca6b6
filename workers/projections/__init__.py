"""The log as rows in PostgreSQL: read models that anyone may query, exactly once."""
