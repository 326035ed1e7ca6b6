"""Faust and Kafka for every stage: membership, batches, transactions, restore, watchdog, metrics. All I/O lives here."""
