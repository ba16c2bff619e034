"""What may a model write, and how does each channel show it? Markdown is read once, laid out, cut, and written."""
