"""Where people and the network find different samples hard."""
