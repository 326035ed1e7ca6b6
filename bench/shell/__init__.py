"""The bare shell beside the least that it could be, and beside Kafka Streams."""
