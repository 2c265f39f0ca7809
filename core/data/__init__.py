"""Lists of hosts as plain data. `python -m tools.lists` writes the generated ones anew; see NOTICE."""
