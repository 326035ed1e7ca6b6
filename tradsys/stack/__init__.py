"""The embedded stack: Kafka, schema registry, PostgreSQL and Valkey as child processes of one supervisor."""
