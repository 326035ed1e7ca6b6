"""The venue's time, written into the log once a second. Stages know no other clock."""
