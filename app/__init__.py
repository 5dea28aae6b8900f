"""Everything that a person or a program looks at. Nothing is imported here."""
