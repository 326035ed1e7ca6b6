"""What the operator decides, over REST."""
