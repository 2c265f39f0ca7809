"""Every Redis key, the stores over them, and the embedded Valkey."""
