"""One run: what it needs, how it is built and trained, what it leaves behind."""
