"""What only the leisure service has."""

SERVICE = "leisure"
