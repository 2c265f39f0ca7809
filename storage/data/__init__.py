"""The dictionaries of `storage.packing`, by number. `python -m tools.dictionaries` makes new ones."""
