"""A site's published definition: validated, compiled, stored in revisions."""
