"""Assets and checks of the group 'chains'."""
