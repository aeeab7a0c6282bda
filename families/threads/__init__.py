"""What families write to the town hall, and its answers."""
