"""How the reader wants things shown."""
