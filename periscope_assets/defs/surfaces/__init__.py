"""Assets and checks of the group 'surfaces'."""
