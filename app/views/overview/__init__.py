"""The list of underlyings with freshness and quality."""
