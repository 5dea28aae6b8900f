"""Where contracts are open: open interest, gamma, max pain, unusual activity."""
