"""The web process: collect, decide, live, admin, ops. Composed in `server.app`."""
