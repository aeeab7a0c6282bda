"""Papers that the town asks families for: what is asked, how long one is good, who writes their rows."""
