"""Assets and checks of the group 'signals'."""
