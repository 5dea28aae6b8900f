"""Assets and checks of the group 'reference'."""
