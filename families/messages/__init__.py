"""Messages of the town hall to many families: to whom, what they say, how they leave."""
