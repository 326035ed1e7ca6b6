"""Pre-trade risk: authorises each command and holds what it may cost."""
