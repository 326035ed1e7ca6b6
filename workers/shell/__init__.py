"""Faust and Kafka for every stage: membership, batches, transactions, restore, metrics. All I/O lives here."""
