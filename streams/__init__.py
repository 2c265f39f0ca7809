"""The stream: events in, profiles, ledgers and alerts out, each event counted once."""
