"""Trade signals: ranked, explained, scored; and what the desk did about them."""
