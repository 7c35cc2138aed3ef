"""A large test channel, made from a committed pool of real records: deterministic, at any size, and its next day."""
