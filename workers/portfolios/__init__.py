"""What each account is worth, and what it must be told at once."""
