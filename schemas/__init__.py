"""What travels: records, their codec, the registry's ids, and units."""
