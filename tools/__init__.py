"""What a maintainer runs now and then; nothing here is needed at run time."""
