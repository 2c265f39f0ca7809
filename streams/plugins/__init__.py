"""Faust's plugins: the Redis Streams transport and the Redis table store. Faust's private names stay in here."""
