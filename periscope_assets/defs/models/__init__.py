"""Assets and checks of the group 'models'."""
