"""What the law owes people of their data: a copy, a duration, an end."""
