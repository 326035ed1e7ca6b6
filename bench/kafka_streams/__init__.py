"""Kafka Streams as a peer: its one Java file, its jars, its processes."""
