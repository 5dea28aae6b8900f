"""Where raw bytes come from and how each vendor's layout is read.

What belongs here: requests, layouts (bytes -> rows), simulated markets, exchange calendars. What does not:
judging rows (``transforms.chains`` accepts or quarantines them) or storing them.
"""
