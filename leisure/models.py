"""What only the leisure service has."""
