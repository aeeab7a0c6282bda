"""« Transport scolaire »: a third service, as small as the engine lets it be. Only the tests install it."""
